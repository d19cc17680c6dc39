"""Reading a whole folder to say what is wrong with it: every file, not the first."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import DamagedError, StoreError
from bench.core.record import Record
from bench.store.codec import decode
from bench.store.files import TEMPORARY
from bench.store.index import named, read_index
from bench.store.predictions import from_bytes
from bench.store.records import Store

SECONDS_LEFT_BEHIND = 3600.0
"""A temporary file that old belongs to no writer: writing one takes less than a second."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file, by its name in the folder, and what is wrong with it."""

    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.why}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, and every damage."""

    records: int
    predictions: int
    damages: tuple[Damage, ...]


def require_records(store: Store) -> None:
    """Refuse a folder that is no run's.

    Raises:
        StoreError: naming it.
    """
    if not (store.folder / "records").is_dir():
        raise StoreError(f"{store.folder} holds no records: give a folder that `bench run` made")


def verify(store: Store) -> Report:
    """Read every file of a folder again: checksums, names, schemas, predictions, what is gone.

    Raises:
        StoreError: if the folder holds no records at all.
    """
    require_records(store)
    damages: list[Damage] = []
    records: list[Record] = []
    for path in sorted((store.folder / "records").iterdir()):
        found = _record(path)
        if isinstance(found, Record):
            records.append(found)
        elif found is not None:
            damages.append(found)
    wanted = {record.predictions for record in records} - {None}
    here = set()
    for path in sorted(_files(store.folder / "predictions")):
        problem = _predictions(path, wanted)
        here.add(path.stem)
        if problem is not None:
            damages.append(problem)
    for record in records:
        if record.predictions is not None and record.predictions not in here:
            name = f"predictions/{record.predictions}.safetensors"
            damages.append(Damage(name, f"missing; record {record.run_id[:12]} names it"))
    damages += _gone(store.folder)
    return Report(len(records), len(here), tuple(dict.fromkeys(damages)))


def sweep(folder: Path, now: float | None = None) -> list[Path]:
    """Remove temporary files that killed writers left behind, those of an hour ago and before;
    returns what was removed."""
    removed = []
    limit = (time.time() if now is None else now) - SECONDS_LEFT_BEHIND
    for path in folder.rglob(f"{TEMPORARY}*"):
        try:
            if path.stat().st_mtime < limit:
                path.unlink()
                removed.append(path)
        except OSError:
            continue  # its writer was quicker
    return removed


def _record(path: Path) -> Record | Damage | None:
    name = f"records/{path.name}"
    if path.name.startswith(TEMPORARY):
        return Damage(name, "left by a writer that was killed, or is writing now")
    try:
        record = decode(path.read_bytes(), name)
    except DamagedError as error:
        return Damage(name, error.why)
    except StoreError as error:
        return Damage(name, str(error).removeprefix(f"{name}: "))
    except OSError as error:
        return Damage(name, f"cannot be read: {error.strerror}")
    if path.name != f"{record.run_id}.{record.attempt}.json":
        return Damage(name, f"holds {record.run_id[:12]}, attempt {record.attempt}")
    return record


def _predictions(path: Path, wanted: set[str | None]) -> Damage | None:
    name = f"predictions/{path.name}"
    if path.name.startswith(TEMPORARY):
        return Damage(name, "left by a writer that was killed, or is writing now")
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.stem:
            return Damage(name, "damaged (its digest does not fit its name)")
        from_bytes(data, name)
    except (OSError, StoreError) as error:
        return Damage(name, f"cannot be read: {error}")
    if path.stem not in wanted:
        return Damage(name, "no record names it: its writer was killed before the record, or the"
                      " record is gone")  # fmt: skip
    return None


def _gone(folder: Path) -> Iterator[Damage]:
    """What the index says was there."""
    try:
        known = named(read_index(folder))
    except StoreError as error:
        yield Damage("index.json", str(error).rpartition(f"{os.sep}index.json: ")[2])
        return
    for name in sorted(known):
        try:
            data = (folder / name).read_bytes()
        except OSError:
            yield Damage(name, "gone; the index knows it")
            continue
        if hashlib.sha256(data).hexdigest() != known[name]:
            yield Damage(name, "not the file that the index knows")


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
