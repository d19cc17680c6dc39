"""What a folder holds at a glance, derived from its records: `index.json`.

Tables never read it. It says afterwards that a file was there which is gone, and serves whoever
wants to know what ran without reading thousands of records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.core.errors import StoreError
from bench.core.record import Record, Status
from bench.store.codec import decode
from bench.store.files import replace
from bench.store.records import Store, uncollected

SCHEMA = 1


def write_index(store: Store) -> int:
    """Write the index of a store anew; returns how many records it has.

    Raises:
        StoreError: naming the first record that cannot be read, or if it cannot be written.
    """
    at = f"{store.folder}/records"
    with uncollected():
        rows = [_row(decode(data, f"{at}/{name}"), name, data) for name, data in store.files()]
    plain = {"schema": SCHEMA, "records": rows}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":")).replace(
        '{"attempt"', '\n{"attempt"'
    )
    replace(store.folder / "index.json", (text + "\n").encode("ascii"))
    return len(rows)


def read_index(folder: Path) -> list[dict[str, Any]]:
    """The rows of an index; none where there is no index.

    Raises:
        StoreError: if it is damaged: `bench results reindex` makes it again.
    """
    path = folder / "index.json"
    try:
        plain = json.loads(path.read_bytes())
        if plain["schema"] > SCHEMA:
            raise StoreError(f"{path}: schema {plain['schema']} is newer than this bench knows")
        return [{**row, "file": str(row["file"])} for row in plain["records"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: damaged: bench results reindex makes it again") from error


def named(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Files that an index names, and their digests."""
    found: dict[str, str] = {}
    for row in rows:
        found[row["file"]] = str(row["sha256"])
        if row.get("predictions"):
            found[f"predictions/{row['predictions']}.safetensors"] = str(row["predictions"])
    return found


def _row(record: Record, name: str, data: bytes) -> dict[str, Any]:
    ok = record.status is Status.OK
    return {
        "run_id": record.run_id,
        "attempt": record.attempt,
        "status": record.status.value,
        "task": record.task,
        "backbone": record.backbone,
        "method": record.method,
        "draw": record.draw,
        "seed": record.seed,
        "control": record.control,
        "device": record.provenance.device,
        "metric": record.main_metric if ok else None,
        "value": record.metrics.get(record.main_metric) if ok else None,
        "failure": record.failure.kind if record.failure is not None else None,
        "file": f"records/{name}",
        "sha256": hashlib.sha256(data).hexdigest(),
        "predictions": record.predictions,
    }
