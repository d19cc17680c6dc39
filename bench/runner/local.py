"""The engine on this machine: long-lived worker processes, replaced when they are lost.

A worker that crashes, hangs, is killed or is out of memory costs the cell in hand, which gets a
record that says so. One is replaced at once, while the others go on.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path

from bench.core.errors import DiskFullError, UserError
from bench.core.record import Failure, Record
from bench.measure import Clock, gpus, wall
from bench.runner.determinism import environment
from bench.runner.engine import Began, Event, Finished, Placement, Within
from bench.runner.identify import failed
from bench.runner.messages import Beat, Broken, Done, Job, Progress, Ready, Settings, Taken
from bench.runner.process import WorkerProcess, exit_words
from bench.runner.scrub import scrub
from bench.store import Store

SECONDS_HUNG = 300.0
"""A worker without any sign of work for so long, neither a word nor processor time, is hung."""
TAIL_CHARACTERS = 4000
STARTS = 3
"""Times in a row that a worker may fail to come up."""
TICK = 0.5
"""Seconds between looks at what does not announce itself: deadlines, silence."""


class LocalEngine:
    """Worker processes on this machine; see `bench.runner.engine.Engine`.

    Args:
        store: where workers commit records.
        cache: where features are kept.
        placement: on which device, and how many at a time.
        clock: for deadlines; injected in tests.
        hung: seconds without a sign of work after which a worker is ended.
    """

    def __init__(
        self,
        store: Store,
        cache: Path,
        placement: Placement,
        clock: Clock = wall,
        hung: float = SECONDS_HUNG,
    ) -> None:
        self._store, self._cache, self._placement = store, cache, placement
        self._clock, self._hung = clock, hung
        self._log = store.folder / "worker.log"
        cards = gpus() if placement.device in {"auto", "cuda"} else []
        count = placement.workers or max(len(cards), 1)
        self._environments = [_environment(i, count, cards) for i in range(count)]
        self._workers: list[WorkerProcess] = []
        self._waiting: deque[Job] = deque()
        self._lost: list[Event] = []
        self._failures = 0
        self.device = ""

    @property
    def slots(self) -> int:
        return len(self._environments)

    @property
    def pids(self) -> list[int]:
        """Of the workers, for whoever watches them."""
        return [worker.pid for worker in self._workers]

    def start(self) -> None:
        """Start the workers and wait until one knows its device.

        Raises:
            UserError: if the device cannot be had, or a worker does not come up.
        """
        self._workers = [self._spawn(i) for i in range(self.slots)]
        while not self.device:
            self._look(TICK)

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def poll(self, seconds: float) -> list[Event]:
        """See `Engine.poll`.

        Raises:
            UserError: if a worker cannot record anything, or does not come up.
        """
        events = self._give()
        until = self._clock() + seconds
        while not events:
            left = until - self._clock()
            events = self._look(max(0.0, min(left, TICK)))
            if left <= 0:
                break
        return events + self._give()

    def cancel(self, run_id: str) -> None:
        self._waiting = deque(job for job in self._waiting if job.cell.run_id != run_id)
        for i, worker in enumerate(self._workers):
            if worker.job is not None and worker.job.cell.run_id == run_id:
                worker.job = None
                self._replace(i)

    def close(self) -> None:
        """End the workers: they are asked, then terminated, then killed."""
        for worker in self._workers:
            worker.end(ask=worker.job is None)
            self._note(worker)
        self._workers = []

    def _give(self) -> list[Event]:
        """Hand waiting jobs to idle workers, if possible to one that has loaded what it takes."""
        events: list[Event] = []
        while self._waiting and (idle := [w for w in self._workers if w.idle]):
            job = self._waiting.popleft()
            key = loaded_key(job)
            worker = next((w for w in idle if w.kept == key), idle[0])
            worker.kept = key
            worker.give(job, self._clock())
            events.append(Began(job.cell))
        return events

    def _look(self, seconds: float) -> list[Event]:
        """Listen to all workers, and judge those that say nothing."""
        connections = {w.connection: i for i, w in enumerate(self._workers)}
        events: list[Event] = []
        for ready in wait(list(connections), seconds):
            events += self._listen(connections[ready])  # type: ignore[index]
        for i in range(len(self._workers)):
            events += self._judge(i)
        return events

    def _listen(self, i: int) -> list[Event]:
        worker, events = self._workers[i], list[Event]()
        try:
            while worker.connection.poll(0):
                events += self._heed(worker, worker.connection.recv())
        except (EOFError, OSError):
            return events + self._loss(i, "killed", "")
        if worker.spent:
            self._replace(i)
        return events

    def _heed(self, worker: WorkerProcess, message: object) -> list[Event]:
        now = self._clock()
        if isinstance(message, Beat):
            worker.beat(message, now)
            return []
        worker.heard = worker.moved = now
        job = worker.job
        if isinstance(message, Ready):
            self._failures, worker.device = 0, message.device
            self.device = self.device or message.device
        elif isinstance(message, Taken):
            worker.began = now
        elif isinstance(message, Progress) and job is not None:
            return [Within(job.cell, message)]
        elif isinstance(message, Done) and job is not None:
            worker.job, worker.spent = None, message.spent
            return [Finished(job.cell, message.record)]
        elif isinstance(message, Broken):
            raise (DiskFullError if message.full else UserError)(message.message)
        return []

    def _judge(self, i: int) -> list[Event]:
        """End a worker that is over its limits, or gives no sign of work."""
        worker, now = self._workers[i], self._clock()
        if not worker.alive() and not worker.connection.poll(0):
            return self._loss(i, "killed", "")  # a grandchild may keep its end of the socket open
        silent = now - worker.moved
        if worker.job is None:
            stuck = worker.device is None and silent > self._hung
            return self._loss(i, "hung", "it hung while it started") if stuck else []
        budget = worker.job.cell.budget
        taken = now - worker.began if worker.began is not None else 0.0
        if budget.seconds is not None and taken > budget.seconds:
            return self._loss(i, "timeout", f"over its {budget.seconds:g} s")
        if budget.memory_gb is not None and worker.bytes_resident > budget.memory_gb * 1e9:
            used = f"{worker.bytes_resident / 1e9:.1f} of {budget.memory_gb:g} GB"
            return self._loss(i, "out-of-memory", f"over its memory: {used}")
        if silent > self._hung:
            beats = "alive, idle" if now - worker.heard < self._hung else "not even a heartbeat"
            return self._loss(i, "hung", f"no sign of work for {silent:.0f} s ({beats})")
        return []

    def _loss(self, i: int, kind: str, why: str) -> list[Event]:
        """Let a worker go, record the cell it had in hand, and start another."""
        worker = self._workers[i]
        job = worker.job
        code = worker.end()
        tail = self._note(worker)
        why = why or exit_words(code)
        if job is None and worker.device is None:
            self._failures += 1
            if self._failures >= STARTS:
                raise UserError(f"the worker did not start ({why}):\n{tail}")
        self._workers[i] = self._spawn(i)
        if job is None:
            return []
        return [Finished(job.cell, self._settle(job, kind, why, tail))]

    def _settle(self, job: Job, kind: str, why: str, tail: str) -> Record:
        """The record of a lost job: the one it had committed, or that of its failure."""
        known = self._store.find(job.cell.run_id, self.device)
        if known is not None and known.failure is None:
            return known
        failure = Failure(kind=kind, message=why, tail=tail)
        attempt = self._store.next_attempt(job.cell.run_id)
        return self._store.append(failed(job.cell, attempt, self.device, failure))

    def _spawn(self, i: int) -> WorkerProcess:
        threads = _threads(self.slots) if self.slots > 1 else None
        settings = Settings(self._store.folder, self._cache, self._placement.device, threads)
        more = {**self._environments[i], **environment(self._placement.deterministic)}
        return WorkerProcess(settings, more, self._clock())

    def _replace(self, i: int) -> None:
        self._workers[i].end(ask=self._workers[i].spent)
        self._note(self._workers[i])
        self._workers[i] = self._spawn(i)

    def _note(self, worker: WorkerProcess) -> str:
        """Keep the last of what a worker printed in the folder, and return the end of it."""
        text = worker.output.last().decode("utf-8", "replace")
        text = "\n".join(scrub(line) for line in text.splitlines())
        if text:
            with contextlib.suppress(OSError):  # a log is no result
                self._log.write_text(f"{text}\n", encoding="utf-8")
        return text[-TAIL_CHARACTERS:]


def loaded_key(job: Job) -> str:
    """What a worker has to load for a job."""
    return f"{job.cell.fingerprint} {job.cell.backbone_label}"


def _threads(workers: int) -> int:
    return max(1, len(os.sched_getaffinity(0)) // workers)


def _environment(i: int, count: int, cards: list[str]) -> Mapping[str, str]:
    """What worker `i` of `count` has in its environment: its card, its share of the threads."""
    found: dict[str, str] = {}
    if len(cards) > 1:
        found["CUDA_VISIBLE_DEVICES"] = cards[i % len(cards)]
    if count > 1:
        threads = str(_threads(count))
        found |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        found |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), threads)
    return found
