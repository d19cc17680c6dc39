"""The process that executes cells, one after another: `python -m bench.runner.worker FD`.

It speaks with the launcher over an inherited socket, commits each record itself
before it says so, and leaves its standard output to the launcher's log file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import shutil
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bench.core.cell import Cell
from bench.core.errors import CellError, StoreError, UserError
from bench.core.record import Failure, Record
from bench.runner.identify import failed
from bench.runner.messages import Broken, Done, Progress, Ready, Settings
from bench.runner.scrub import scrub, where
from bench.runner.workbench import Workbench
from bench.store import Store, items_of, to_bytes


def serve(connection: Connection) -> None:
    """Execute the cells that arrive until None does."""
    settings: Settings = connection.recv()
    try:
        device = resolved_device(settings.device)
    except UserError as error:
        connection.send(Broken(str(error)))
        return
    store = Store(settings.store)
    bench = Workbench(device, settings.cache, lambda *p: connection.send(Progress(*p)), store)
    warm()
    connection.send(Ready(device))
    while (cell := connection.recv()) is not None:
        try:
            connection.send(Done(run_cell(cell, bench, store)))
        except StoreError as error:
            connection.send(Broken(str(error)))
            return


def run_cell(cell: Cell, bench: Workbench, store: Store) -> Record:
    """Execute one cell and commit what it gave, a failure too.

    Raises:
        StoreError: if the record cannot be written.
    """
    from bench.runner.execute import execute

    attempt = store.next_attempt(cell.run_id)
    try:
        result = execute(cell, attempt, bench)
        data = to_bytes(items_of(result.predictions, result.targets))
        record = dataclasses.replace(result.record, predictions=hashlib.sha256(data).hexdigest())
        store.add_probabilities(record, _probabilities(result))
        store.add(record, data)
    except (StoreError, EOFError, BrokenPipeError, ConnectionResetError):
        raise  # the launcher is gone, which is no fault of the cell's
    except Exception as error:  # noqa: BLE001 -- whatever it is costs this cell alone
        record = failed(cell, attempt, bench.device, failure_of(error))
        store.add(record)
    shutil.rmtree(bench.scratch(cell.run_id), ignore_errors=True)  # a result needs no way back
    return record


def failure_of(error: Exception) -> Failure:
    """Name a failure by its kind."""
    kind = type(error).__name__
    if isinstance(error, CellError):
        kind = error.kind
    elif isinstance(error, UserError):
        kind = "data-or-asset"
    elif isinstance(error, MemoryError) or "OutOfMemory" in kind:
        kind = "out-of-memory"
    return Failure(kind=kind, message=scrub(str(error) or kind), tail=scrub(where(error)))


def warm() -> None:
    """Import what cells use, so that the first cell is not charged for it."""
    for name in ("sklearn.linear_model", "sklearn.model_selection", "sklearn.neighbors"):
        importlib.import_module(name)


def resolved_device(wanted: str) -> str:
    """ "cuda" or "cpu"; "auto" takes CUDA where torch can.

    Raises:
        UserError: if CUDA is wanted and cannot be had.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda was asked for, but torch sees none: see `bench doctor`")
    return wanted


def _probabilities(result: Any) -> bytes:
    """Full probabilities of test and validation items, for stacking and distillation."""
    from safetensors.numpy import save

    tensors = {"test": result.predictions.probabilities}
    if result.validation is not None:
        tensors["validation"] = result.validation.probabilities
        tensors["validation_items"] = result.validation_items.astype(np.int64)
    return bytes(save(tensors))


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to handle
    connection = Connection(int(sys.argv[1]))
    try:
        serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the launcher is gone; what was committed stays


if __name__ == "__main__":
    main()
