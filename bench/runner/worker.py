"""The process that executes cells, one after another: `python -m bench.runner.worker FD`.

It speaks with the launcher over an inherited socket, commits each record itself
before it says so, and leaves its standard output to the launcher, which keeps the last of it.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import hashlib
import importlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import psutil

from bench.core.cell import Cell
from bench.core.errors import CellError, DiskFullError, StoreError, UserError
from bench.core.predictions import TextPredictions
from bench.core.record import Failure, Record, Status
from bench.core.transcripts import edits
from bench.measure import keep_memory
from bench.runner.identify import failed
from bench.runner.messages import Beat, Broken, Done, Progress, Ready, Settings, Taken
from bench.runner.scrub import scrub, where
from bench.runner.workbench import Workbench
from bench.store import Items, Store, items_of, items_of_edits, to_bytes

if TYPE_CHECKING:
    from bench.runner.execute import Result

SPENT_BY = frozenset({"out-of-memory", "device-error"})
"""Kinds of failure after which a process is no longer to be trusted."""
SECONDS_A_BEAT = 1.0


class Line:
    """The launcher's end of the line; the heart beats from a thread of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def send(self, message: object) -> None:
        with self._lock:
            self._connection.send(message)

    def beat(self) -> None:
        """Say again and again that this process lives; where nobody hears it any more, the
        launcher was killed, and this process ends with whatever it started: the next launcher
        has its cell run again."""
        process = psutil.Process()
        with contextlib.suppress(OSError):
            while True:
                self.send(Beat(process.memory_info().rss, time.process_time()))
                time.sleep(SECONDS_A_BEAT)
        os.killpg(0, signal.SIGKILL)


def serve(connection: Connection) -> None:
    """Execute the jobs that arrive until None does."""
    line = Line(connection)
    settings: Settings = connection.recv()
    keep_memory()
    threading.Thread(target=line.beat, daemon=True).start()
    try:
        device = resolved_device(settings.device)
    except UserError as error:
        line.send(Broken(str(error)))
        return
    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    store = Store(settings.store)
    bench = Workbench(device, settings.cache, lambda *p: line.send(Progress(*p)), store)
    line.send(Ready(device))
    warm()  # before the first job is taken, which therefore is not charged for it
    while (job := connection.recv()) is not None:
        line.send(Taken())
        try:
            record = run_once(job.cell, bench, store, halvings=job.halvings)
        except StoreError as error:
            line.send(Broken(str(error), full=isinstance(error, DiskFullError)))
            return
        spent = record.failure is not None and record.failure.kind in SPENT_BY
        line.send(Done(record, spent))
        if spent:
            return


def run_once(cell: Cell, bench: Workbench, store: Store, *, halvings: int = 0) -> Record:
    """The result that a cell has here already, or else another attempt; see `run_cell`."""
    known = store.find(cell.run_id, bench.device)
    if known is not None and known.status is Status.OK:
        return known
    return run_cell(cell, bench, store, halvings=halvings)


def run_cell(cell: Cell, bench: Workbench, store: Store, *, halvings: int = 0) -> Record:
    """Execute one cell and commit what it gave, a failure too.

    Args:
        cell: what to execute.
        bench: what is kept between cells.
        store: where records go.
        halvings: how often to halve the batch budget of extraction first.

    Raises:
        StoreError: if the record cannot be written.
    """
    from bench.runner.execute import execute

    attempt = store.next_attempt(cell.run_id)
    bench.halvings = halvings
    try:
        with limited(cell.budget.memory_gb):
            result = execute(cell, attempt, bench)
        data = to_bytes(kept(result))
        record = dataclasses.replace(result.record, predictions=hashlib.sha256(data).hexdigest())
        store.add_probabilities(record, _probabilities(result))
        record = store.append(record, data)
    except (StoreError, EOFError, BrokenPipeError, ConnectionResetError):
        raise  # the launcher is gone, which is no fault of the cell's
    except Exception as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(f"{error.filename or 'the cache'}: {error.strerror}") from error
        record = store.append(failed(cell, attempt, bench.device, failure_of(error)))
    shutil.rmtree(bench.scratch(cell.run_id), ignore_errors=True)  # a result needs no way back
    return record


def failure_of(error: Exception) -> Failure:
    """Name a failure by its kind."""
    kind, said = type(error).__name__, str(error)
    if isinstance(error, CellError):
        kind = error.kind
    elif isinstance(error, UserError):
        kind = "data-or-asset"
    elif isinstance(error, MemoryError) or "OutOfMemory" in kind or "can't allocate memory" in said:
        kind = "out-of-memory"  # the last: torch's own allocator of host memory
    elif kind == "AcceleratorError" or "CUDA error" in said:
        kind = "device-error"
    return Failure(kind=kind, message=scrub(said or kind), tail=scrub(where(error)))


@contextlib.contextmanager
def limited(memory_gb: float | None) -> Iterator[None]:
    """Let this process have so much private memory (10^9 bytes) at most, where the system can.

    What goes beyond it fails as `MemoryError` (RLIMIT_DATA counts private mappings:
    getrlimit(2), Linux 4.7); elsewhere the launcher looks at the resident set.
    """
    if memory_gb is None or sys.platform != "linux":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = int(memory_gb * 1e9)
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


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


def kept(result: Result) -> Items:
    """What is published of each test item."""
    if isinstance(result.predictions, TextPredictions):
        references = [result.class_names[i] for i in result.targets]
        return items_of_edits(edits(result.predictions.texts, references))
    return items_of(result.predictions, result.targets)


def _probabilities(result: Result) -> bytes:
    """Full probabilities of test and validation items, for stacking and distillation; or texts."""
    from safetensors.numpy import save

    if isinstance(result.predictions, TextPredictions):
        encoded = [text.encode("utf-8", "replace") for text in result.predictions.texts]
        flat = np.frombuffer(b"".join(encoded), dtype=np.uint8)
        return bytes(save({"texts": flat, "bytes": np.array([len(x) for x in encoded])}))
    tensors = {"test": result.predictions.probabilities}
    if result.validation is not None and result.validation_items is not None:
        tensors["validation"] = result.validation.probabilities
        tensors["validation_items"] = result.validation_items.astype(np.int64)
    return bytes(save({name: np.ascontiguousarray(of) for name, of in tensors.items()}))


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's to handle
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        serve(connection)  # or the launcher is gone; what was committed stays
    leave()


def leave() -> NoReturn:
    """End this process at once: every record is on disk, and the launcher would wait a second
    while the interpreter takes apart torch and whatever else was imported."""
    atexit._run_exitfuncs()  # noqa: SLF001 -- such as those that delete temporary folders
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
