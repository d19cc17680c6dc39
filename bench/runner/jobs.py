"""A job as a file: what another machine, or a cluster's queue, is handed.

`bench run-cell FILE` executes it. The file is complete in itself, but for the bytes that its
assets name by digest, and the records of the cells it builds on, which are in the same store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.assets import cache_folder
from bench.core.cell import Cell
from bench.core.errors import UserError
from bench.core.record import Record, Status
from bench.runner.engine import Finished, MakeEngine, Placement
from bench.runner.local import LocalEngine
from bench.runner.messages import Job
from bench.runner.schedule import SECONDS_A_POLL
from bench.store import Store, replace

SCHEMA = 1
BYTES_MOST = 10_000_000
_CELL = TypeAdapter(Cell)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A cell, and the folder that takes its record."""

    cell: Cell
    store: Path


def write_job(path: Path, cell: Cell, store: Path) -> None:
    """Write a job to `path`.

    Raises:
        StoreError: if it cannot be written.
    """
    plain = {
        "schema": SCHEMA,
        "run_id": cell.run_id,
        "store": str(store.absolute()),
        "cell": _CELL.dump_python(cell, mode="json"),
    }
    replace(path, (json.dumps(plain, sort_keys=True, indent=1) + "\n").encode("utf-8"))


def write_jobs(folder: Path, cells: Iterable[Cell], store: Path) -> list[Path]:
    """Write a job a cell into `folder`, named by run id; in this order each one's needs come first.

    Raises:
        StoreError: if one cannot be written.
    """
    paths = []
    for cell in cells:
        paths.append(folder / f"{cell.run_id}.json")
        write_job(paths[-1], cell, store)
    return paths


def read_job(path: Path) -> JobFile:
    """Read a job.

    Raises:
        UserError: if it is none, is damaged, or of another schema; its run id is checked.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"job {path} cannot be read: {error.strerror}") from error
    if len(data) > BYTES_MOST:
        raise UserError(f"job {path} has {len(data):,} bytes; at most {BYTES_MOST:,} are read")
    try:
        plain = json.loads(data)
        if plain["schema"] != SCHEMA:
            raise UserError(f"job {path} is of schema {plain['schema']}; this bench has {SCHEMA}")
        cell = _CELL.validate_python(plain["cell"])
        promised, folder = str(plain["run_id"]), Path(plain["store"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise UserError(f"job {path} is damaged ({type(error).__name__})") from error
    if cell.run_id != promised:
        raise UserError(
            f"job {path} says run id {promised[:12]}, but its cell has {cell.run_id[:12]}:"
            " it was changed, or written by another version of bench"
        )
    return JobFile(cell, folder)


def run_job(path: Path, device: str = "auto", engine: MakeEngine = LocalEngine) -> Record:
    """Execute a job in one worker, as a run does, and return its record; one that has a result is
    not run again. It has the limits of its suite, and is not charged for the worker's start.

    Raises:
        UserError: if the file is no job, the device cannot be had, or the record cannot be written.
    """
    job = read_job(path)
    cell, store = job.cell, Store(job.store)
    running = engine(store, cache_folder(), Placement(device, 1, cell.deterministic))
    try:
        running.start()
        known = store.find(cell.run_id, running.device)
        if known is not None and known.status is Status.OK:
            return known
        running.submit(Job(cell))
        while True:
            for event in running.poll(SECONDS_A_POLL):
                if isinstance(event, Finished):
                    return event.record
    finally:
        running.close()
