"""One worker process as its launcher sees it: started, spoken with, watched, ended.

It runs in a session of its own, so that its children end with it; those that left the session
are found by a mark in their environment. What it prints goes through a pipe, and the last of
it is kept.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import psutil

from bench.runner.messages import Beat, Job, Settings

GRACE_SECONDS = 5.0
"""How long a worker has to end after SIGTERM before SIGKILL."""
BYTES_KEPT = 64_000
"""Of what a worker prints; the rest is read and forgotten."""
MARK = "BENCH_WORKER"


class Output:
    """The last bytes of a stream, read by a thread, however much comes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def last(self) -> bytes:
        """What is kept so far."""
        return bytes(self._kept[-BYTES_KEPT:])

    def close(self) -> None:
        """Read to the end; who still holds the pipe is not waited for."""
        self._thread.join(1.0)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while chunk := os.read(self._stream.fileno(), 1 << 20):
                self._kept += chunk[-BYTES_KEPT:]
                if len(self._kept) > 4 * BYTES_KEPT:
                    del self._kept[:-BYTES_KEPT]


class WorkerProcess:
    """A worker, from its start to its end.

    Args:
        settings: what it is told.
        environment: set for it, beyond what this process has.
        now: seconds, when it was started.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], now: float) -> None:
        self.device: str | None = None  # known once it is ready
        self.job: Job | None = None
        self.heard = self.moved = now  # any word; any sign of work
        self.began: float | None = None  # with its job; None while it still starts
        self.kept = ""  # what it has loaded: the key of its last cell
        self.spent = False
        self.bytes_resident = 0  # as last heard
        self._processor = 0.0
        self._mark = uuid.uuid4().hex
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])  # also where bench is not installed
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                [sys.executable, "-m", "bench.runner.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "TOKENIZERS_PARALLELISM": "true",
                    **environment,
                    MARK: self._mark,
                },
                start_new_session=True,
            )
        self.connection = Connection(ours.detach())
        if self._process.stdout is None:
            raise RuntimeError("a worker's output is a pipe")
        self.output = Output(self._process.stdout)
        with contextlib.suppress(OSError):  # one that died at once is found when it is listened to
            self.connection.send(settings)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def idle(self) -> bool:
        """Whether it waits for a job."""
        return self.device is not None and self.job is None and not self.spent

    def alive(self) -> bool:
        return self._process.poll() is None

    def give(self, job: Job, now: float) -> None:
        """Hand it a job; where it is dead that shows when it is listened to."""
        self.job, self.began, self.moved, self.heard = job, None, now, now
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def beat(self, beat: Beat, now: float) -> None:
        """Note a sign of life; processor time since the last one is a sign of work, too."""
        self.heard, self.bytes_resident = now, beat.bytes_resident
        if beat.seconds_processor - self._processor > 0.05:
            self._processor, self.moved = beat.seconds_processor, now

    def end(self, *, ask: bool = False) -> int | None:
        """End it and whatever it started, and return its exit code.

        With `ask` it may first end by itself; then come SIGTERM, the grace, and SIGKILL.
        """
        if ask:
            with contextlib.suppress(OSError):
                self.connection.send(None)
        self.connection.close()
        process = self._process
        try:
            if not (ask and self.alive()) and process.poll() is None:
                process.terminate()
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # grandchildren too
            process.wait()
            end_marked(self._mark)
            self.output.close()
        return process.returncode


def end_marked(mark: str) -> None:
    """Kill the processes that have a worker's mark in their environment: they left its session."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                process.kill()


def exit_words(code: int | None) -> str:
    """How a process ended, for people."""
    if code is not None and code < 0:
        return f"the worker was ended by {signal.Signals(-code).name}"
    if code:
        return f"the worker ended with exit code {code}"
    return "the worker ended without a result"
