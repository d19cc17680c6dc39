"""Where cells are executed: the seam, and the one engine there is, a worker process here.

A crash, a kill or a timeout of the worker costs the cell in hand; the engine
records it and starts another worker for the next cell.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from bench.core.cell import Cell
from bench.core.errors import UserError
from bench.core.record import Failure, Record
from bench.measure import Clock, wall
from bench.runner.identify import failed
from bench.runner.messages import Broken, Done, Progress, Ready, Settings
from bench.store import Store

GRACE_SECONDS = 5.0
"""How long a worker has to end after SIGTERM before SIGKILL."""
TAIL_BYTES = 4000

Watch = Callable[[Cell, Progress], None]


class Engine(Protocol):
    """Executes cells and gives a record for each, in any order, failures included."""

    @property
    def device(self) -> str:
        """The kind of device cells run on ("cpu" or "cuda"), known once it is started."""
        ...

    def start(self) -> None: ...

    def run(self, cells: Iterable[Cell], watch: Watch) -> Iterator[Record]: ...

    def close(self) -> None: ...


class LocalEngine:
    """One long-lived worker process on this machine.

    Args:
        store: where the worker commits records.
        cache: where features are kept.
        device: "auto", "cpu" or "cuda".
        clock: for deadlines; injected in tests.
    """

    def __init__(self, store: Store, cache: Path, device: str, clock: Clock = wall) -> None:
        self._store, self._clock = store, clock
        self._settings = Settings(store.folder, cache, device)
        self._log = store.folder / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.device = ""

    def start(self) -> None:
        """Start the worker and wait until it knows its device.

        Raises:
            UserError: if the device cannot be had, or the worker does not come up.
        """
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])  # also where bench is not installed
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with self._log.open("wb") as log, theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                [sys.executable, "-m", "bench.runner.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "true"},
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        try:
            self._connection.send(self._settings)
            hello = self._connection.recv()
        except (EOFError, OSError) as error:
            raise UserError(f"the worker did not start:\n{self._tail()}") from error
        if isinstance(hello, Ready):
            self.device = hello.device
        else:
            raise UserError(hello.message)

    def run(self, cells: Iterable[Cell], watch: Watch) -> Iterator[Record]:
        """Execute `cells` in order.

        Raises:
            UserError: if no further cell can be recorded (a full disk).
        """
        for cell in cells:
            if self._connection is None:
                self.start()
            yield self._one(cell, watch)

    def close(self) -> None:
        """End the worker: it is asked, then terminated, then killed."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)
            self._connection.close()
        self._end()

    def _one(self, cell: Cell, watch: Watch) -> Record:
        connection = self._connection
        if connection is None:
            raise RuntimeError("the engine is not started")
        deadline = None if cell.budget.seconds is None else self._clock() + cell.budget.seconds
        try:
            connection.send(cell)
            while True:
                left = None if deadline is None else max(0.0, deadline - self._clock())
                if not connection.poll(left):
                    return self._lost(cell, "timeout", f"over its {cell.budget.seconds:g} s")
                message = connection.recv()
                if isinstance(message, Progress):
                    watch(cell, message)
                elif isinstance(message, Done):
                    return message.record
                elif isinstance(message, Broken):
                    raise UserError(message.message)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return self._lost(cell, "killed", "")

    def _lost(self, cell: Cell, kind: str, why: str) -> Record:
        """Record a cell whose worker died or was too slow, and let the worker go."""
        code = self._end()
        if not why:
            why = "the worker ended without a result"
            if code is not None and code < 0:
                why = f"the worker was ended by {signal.Signals(-code).name}"
            elif code:
                why = f"the worker ended with exit code {code}"
        failure = Failure(kind=kind, message=why, tail=self._tail())
        record = failed(cell, self._store.next_attempt(cell.run_id), self.device, failure)
        self._store.add(record)
        return record

    def _end(self) -> int | None:
        """Wait for the worker; after the grace its whole process group is killed."""
        self._connection = None
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            if process.poll() is None:
                process.terminate()
            return process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # grandchildren too
            process.wait()

    def _tail(self) -> str:
        """The last lines of what the worker printed."""
        from bench.runner.scrub import scrub

        try:
            return scrub(self._log.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace"))
        except OSError:
            return ""
