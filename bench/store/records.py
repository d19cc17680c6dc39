"""A folder of records: one immutable file per attempt, and everything else derived.

    <folder>/suite.json                      name and version of the suite, the order of its rows
    <folder>/records/<run_id>.<attempt>.json
    <folder>/predictions/<sha256>.safetensors
    <folder>/probabilities/<run_id>.<attempt>.safetensors   (live runs only)

A record is committed by linking a finished, synced temporary file to its name:
it is there whole or not at all, and the first commit of a name wins.
"""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from bench.core.errors import DiskFullError, StoreError
from bench.core.record import SCHEMA, Record, Status
from bench.store.predictions import Items, from_bytes

_NAME = re.compile(r"^([0-9a-f]{64})\.(\d+)\.json$")
_RECORD = TypeAdapter(Record)

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From schema `n` to `n + 1`; empty while there is one schema."""


def commit(path: Path, data: bytes) -> bool:
    """Write `data` to `path` so that it is there whole or not at all.

    Returns False where `path` exists already: the first commit wins.

    Raises:
        StoreError: if it cannot be written (disk full, read-only, a short write).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if (written := os.fstat(file.fileno()).st_size) != len(data):
                    raise StoreError(f"{path}: only {written} of {len(data)} bytes were written")
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
        finally:
            os.unlink(temporary)  # noqa: PTH108 -- beside os.link
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def unwritable(path: Path | str, error: OSError) -> StoreError:
    """What it means that a file could not be written."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    kind = DiskFullError if full else StoreError
    return kind(f"{path}: cannot be written: {error.strerror or error}")


def encode(record: Record) -> bytes:
    """A record as JSON with its own checksum.

    Raises:
        ValueError: if a number is NaN or Inf.
    """
    plain = _RECORD.dump_python(record, mode="json")
    body = json.dumps(plain, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=True)
    checksum = hashlib.sha256(body.encode("ascii")).hexdigest()
    return f'{{"checksum": "{checksum}", "record": {body}}}\n'.encode("ascii")


def decode(data: bytes, what: str) -> Record:
    """Read one record file; `what` names it in errors.

    Raises:
        StoreError: if it is damaged, or of a newer schema than this version knows.
    """
    body = data[91:-2]
    if not data.isascii() or hashlib.sha256(body).hexdigest().encode("ascii") != data[14:78]:
        raise StoreError(f"{what}: damaged (its checksum does not fit)")
    try:
        record = _RECORD.validate_json(body)  # half the time of `json.loads` and `validate_python`
        if record.schema == SCHEMA:
            return record
    except ValidationError:
        pass  # of another schema, perhaps: the way round says
    return _of_another_schema(body, what)


def _of_another_schema(body: bytes, what: str) -> Record:
    """A record by way of plain data, which migrations take."""
    try:
        plain = json.loads(body)
        schema = plain["schema"]
        if schema > SCHEMA:
            raise StoreError(
                f"{what}: schema {schema} is newer than this bench knows ({SCHEMA}): update bench"
            )
        for step in range(schema, SCHEMA):
            plain = MIGRATIONS[step](plain)
        return _RECORD.validate_python(plain)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise StoreError(f"{what}: damaged ({type(error).__name__})") from error


class Store:
    """The records in one folder. Reading never writes; writing never changes a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self) -> list[Record]:
        """Every record, sorted by run id and attempt.

        Raises:
            StoreError: naming the first file that cannot be read.
        """
        folder = str(self.folder / "records")
        names = (f"{folder}/{name}" for _, _, name in sorted(self._names()))
        with uncollected():
            return [decode(_read(name), name) for name in names]

    def final(self) -> list[Record]:
        """One record per cell of the suite as it stands: the first success, or the last attempt.

        Raises:
            StoreError: naming the first file that cannot be read.
        """
        noted = self.suite() if (self.folder / "suite.json").exists() else {}
        wanted = frozenset(noted["cells"]) if "cells" in noted else None
        device = noted.get("device")
        chosen: dict[str, Record] = {}
        for record in self.records():
            if wanted is not None and record.run_id not in wanted:
                continue  # of an earlier form of the suite
            if device is not None and record.provenance.device != device:
                continue  # a score of the CPU does not stand for one of the GPU
            known = chosen.get(record.run_id)
            if known is None or known.status is not Status.OK:
                chosen[record.run_id] = record
        return list(chosen.values())

    def find(self, run_id: str, device: str) -> Record | None:
        """The first success of a cell on a kind of device, or its last attempt there; None where
        there is none: a score of the CPU does not stand for one of the GPU.

        Raises:
            StoreError: naming the file that cannot be read.
        """
        found: Record | None = None
        for _, _, name in sorted(n for n in self._names() if n[0] == run_id):
            path = f"{self.folder}/records/{name}"
            record = decode(_read(path), path)
            if record.provenance.device == device:
                found = record
                if record.status is Status.OK:
                    break
        return found

    def predictions(self, record: Record) -> Items:
        """The per-item predictions of a successful record.

        Raises:
            StoreError: if they are missing or damaged.
        """
        if record.predictions is None:
            raise StoreError(f"record {record.run_id[:12]} has no predictions")
        name = f"{self.folder}/predictions/{record.predictions}.safetensors"
        data = _read(name)
        if hashlib.sha256(data).hexdigest() != record.predictions:
            raise StoreError(f"{name}: damaged (its digest does not fit its name)")
        return from_bytes(data, name)

    def next_attempt(self, run_id: str) -> int:
        """The number of the next attempt at a cell, from 1."""
        return 1 + max((n for found, n, _ in self._names() if found == run_id), default=0)

    def add(self, record: Record, predictions: bytes | None = None) -> bool:
        """Commit one record, its predictions first. False where that attempt is there already.

        Raises:
            StoreError: if it cannot be written.
        """
        if predictions is not None:
            if hashlib.sha256(predictions).hexdigest() != record.predictions:
                raise StoreError("a record must name its predictions by their digest")
            commit(self._predictions_path(hashlib.sha256(predictions).hexdigest()), predictions)
        name = f"{record.run_id}.{record.attempt}.json"
        return commit(self.folder / "records" / name, encode(record))

    def add_probabilities(self, record: Record, data: bytes) -> None:
        """Keep full probabilities (validation and test) for stacking and distillation."""
        commit(self._probabilities_path(record), data)

    def probabilities(self, record: Record) -> dict[str, NDArray[Any]]:
        """What `add_probabilities` kept: `test` `(n, k)`, and where there was something to choose
        `validation` `(m, k)` with `validation_items` `(m,)`, positions in the training pool.
        Empty where the file is gone or damaged: it can be made again.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return load(self._probabilities_path(record).read_bytes())
        except (OSError, SafetensorError):
            return {}

    def write_suite(self, plain: Mapping[str, Any]) -> None:
        """Note which suite the folder is of; replaced whole when the suite changes."""
        data = (json.dumps(plain, sort_keys=True, indent=1) + "\n").encode("utf-8")
        path = self.folder / "suite.json"
        if path.exists() and path.read_bytes() == data:
            return
        replace(path, data)

    def suite(self) -> dict[str, Any]:
        """What `write_suite` wrote.

        Raises:
            StoreError: if the folder holds no run.
        """
        path = self.folder / "suite.json"
        try:
            found: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.folder} holds no run (no suite.json): give a folder that `bench run` made"
            ) from error
        return found

    def prune(self, keep: set[tuple[str, int]]) -> None:
        """Remove records other than `keep` (run id, attempt) and predictions without a record."""
        for run_id, attempt, name in list(self._names()):
            if (run_id, attempt) not in keep:
                (self.folder / "records" / name).unlink()
        named = {record.predictions for record in self.records()}
        for path in (self.folder / "predictions").glob("*.safetensors"):
            if path.stem not in named:
                path.unlink()

    def _names(self) -> Iterator[tuple[str, int, str]]:
        """Run id, attempt and file name of each record."""
        folder = self.folder / "records"
        if not folder.is_dir():
            return
        for name in os.listdir(folder):  # noqa: PTH208 -- 10,000 names are no paths yet
            if match := _NAME.match(name):
                yield match[1], int(match[2]), name

    def _predictions_path(self, sha256: str) -> Path:
        return self.folder / "predictions" / f"{sha256}.safetensors"

    def _probabilities_path(self, record: Record) -> Path:
        return self.folder / "probabilities" / f"{record.run_id}.{record.attempt}.safetensors"


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cycle collector: 10,000 records are 300,000 objects, and no cycle among them.

    While they are made it would walk through all of them again and again, for as long as
    reading them takes.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _read(name: str) -> bytes:
    """A whole file. A table reads 20,000 small ones: no path object, no buffer.

    Raises:
        StoreError: if it cannot be read.
    """
    try:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise StoreError(f"{name}: cannot be read: {error.strerror}") from error


def replace(path: Path, data: bytes) -> None:
    """Write a derived file (a table, the index) whole, replacing what was there.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # noqa: PTH101 -- a published file; mkstemp makes it private
        os.replace(temporary, path)  # noqa: PTH105
    except OSError as error:
        raise unwritable(path, error) from error
