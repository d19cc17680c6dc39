"""Records by how their run id begins, over one folder or all that lie under runs/ and results/."""

from __future__ import annotations

import re
from pathlib import Path

from bench.core.errors import StoreError
from bench.core.record import Record
from bench.store.codec import decode

_PREFIX = re.compile(r"[0-9a-f]{4,64}")
PLACES = (Path("runs"), Path("results"))


def find_attempts(prefix: str, folder: Path | None = None) -> list[tuple[Path, Record]]:
    """Every attempt at the one cell whose run id begins with `prefix`, with its file.

    Raises:
        StoreError: if the prefix is none, fits no record, or fits several cells.
    """
    if not _PREFIX.fullmatch(prefix):
        raise StoreError(f"{prefix!r} is no run id: 4 to 64 hexadecimal digits, from its beginning")
    if folder is not None:
        folders = [folder]
    else:
        folders = [found for place in PLACES if place.is_dir() for found in sorted(place.iterdir())]
    paths = [path for at in folders for path in sorted((at / "records").glob(f"{prefix}*.json"))]
    ids = sorted({path.name.partition(".")[0] for path in paths})
    if not ids:
        where = str(folder) if folder is not None else " and ".join(f"{p}/" for p in PLACES)
        raise StoreError(f"no record in {where} begins with {prefix}")
    if len(ids) > 1:
        raise StoreError(f"{prefix} fits {len(ids)} cells: {', '.join(i[:16] for i in ids[:8])}")
    try:
        return [(path, decode(path.read_bytes(), str(path))) for path in paths]
    except OSError as error:
        raise StoreError(f"a record cannot be read: {error}") from error
