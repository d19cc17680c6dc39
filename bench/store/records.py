"""A folder of records: one immutable file per attempt, and everything else derived.

    <folder>/suite.json                      name and version of the suite, its cells, their labels
    <folder>/records/<run_id>.<attempt>.json
    <folder>/predictions/<sha256>.safetensors
    <folder>/probabilities/<run_id>.<predictions, 16 digits>.safetensors   (live runs only)

A record is committed by linking a finished, synced temporary file to its name:
it is there whole or not at all, and the first commit of a name wins.
"""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bench.core.errors import DamagedError, StoreError
from bench.core.record import Record, Status
from bench.store.codec import decode, encode
from bench.store.files import commit, read, replace
from bench.store.noted import noted_of
from bench.store.predictions import Items, from_bytes

_NAME = re.compile(r"^([0-9a-f]{64})\.(\d+)\.json$")


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
            return [decode(read(name), name) for name in names]

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of each record file, sorted by run id and attempt.

        Raises:
            StoreError: naming the first that cannot be read.
        """
        for _, _, name in sorted(self._names()):
            yield name, read(f"{self.folder}/records/{name}")

    def final(self) -> list[Record]:
        """One record per cell of the suite as it stands: the first success, or the last attempt,
        under the labels that the suite gives it now.

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
        labels = dict(zip(noted.get("cells", ()), noted.get("labels", ()), strict=False))
        for run_id, record in chosen.items():
            backbone, method = labels.get(run_id, (record.backbone, record.method))
            if (backbone, method) != (record.backbone, record.method):
                chosen[run_id] = dataclasses.replace(record, backbone=backbone, method=method)
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
            record = decode(read(path), path)
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
        data = read(name)
        if hashlib.sha256(data).hexdigest() != record.predictions:
            with_it = f" and the record {record.run_id[:12]}"
            raise DamagedError(name, "damaged (its digest does not fit its name)", with_it)
        return from_bytes(data, name)

    def next_attempt(self, run_id: str) -> int:
        """The number of the next attempt at a cell, from 1."""
        return 1 + max((n for found, n, _ in self._names() if found == run_id), default=0)

    def add(self, record: Record, predictions: bytes | None = None) -> bool:
        """Commit one record, its predictions first. False where that attempt is there already.

        Raises:
            StoreError: if it cannot be written.
            UnstorableError: if it holds NaN, Inf or what is no plain data; nothing is written then.
        """
        data = encode(record)
        if predictions is not None:
            if hashlib.sha256(predictions).hexdigest() != record.predictions:
                raise StoreError("a record must name its predictions by their digest")
            commit(self._predictions_path(hashlib.sha256(predictions).hexdigest()), predictions)
        return commit(self._record_path(record), data)

    def append(self, record: Record, predictions: bytes | None = None) -> Record:
        """Commit a record as the first attempt, from its own on, that nobody else has committed
        meanwhile; the record with its number.

        Raises:
            As `add` does.
        """
        while not self.add(record, predictions):
            record = dataclasses.replace(record, attempt=self.next_attempt(record.run_id))
        return record

    def put(self, record: Record, predictions: bytes | None = None) -> None:
        """Write a record in place of what has its name: for a copy, whose source is elsewhere.

        Raises:
            As `add` does.
        """
        path, data = self._record_path(record), encode(record)
        if not self.add(record, predictions) and path.read_bytes() != data:
            replace(path, data)

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
            StoreError: if the folder holds no run, or what it says of it is damaged.
        """
        path = self.folder / "suite.json"
        try:
            data = path.read_bytes()
        except OSError as error:
            why = f"{self.folder} holds no run (no suite.json): give a folder that `bench run` made"
            if next(self._names(), None) is not None:
                why = (
                    f"{self.folder} has records and no suite.json, as `bench run-cell` leaves it:"
                    f" `bench run SUITE --runs {self.folder.parent}` writes it, and runs only what"
                    " is not done"
                )
            raise StoreError(why) from error
        return noted_of(data, str(path))

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

    def _record_path(self, record: Record) -> Path:
        return self.folder / "records" / f"{record.run_id}.{record.attempt}.json"

    def _predictions_path(self, sha256: str) -> Path:
        return self.folder / "predictions" / f"{sha256}.safetensors"

    def _probabilities_path(self, record: Record) -> Path:
        """By what was predicted: another attempt may come to other predictions, and one that was
        killed between its probabilities and its record has no number of its own."""
        name = f"{record.run_id}.{(record.predictions or '')[:16]}.safetensors"
        return self.folder / "probabilities" / name


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
