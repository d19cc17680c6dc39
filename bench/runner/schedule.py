"""Which cells are still to do, and the loop that has them done.

Several launchers may run one suite in one folder: a cell is worked on by whoever holds its lease,
and what the others commit counts as done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from bench.core.cell import Cell
from bench.core.record import Record, Status
from bench.runner.engine import Began, Engine, Finished, Within
from bench.runner.messages import Job
from bench.runner.progress import Display
from bench.store import Leases, Store

MAY_PASS = frozenset({"killed", "hung", "out-of-memory", "unreachable"})
"""Kinds of failure that another attempt may not have: tried again as often as the suite says."""
SECONDS_A_POLL = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as settled: how often a failure that may pass is tried again, and whether
    settled failures are tried once more."""

    retries: int = 1
    retry_failed: bool = False


@dataclass(slots=True)
class Stop:
    """Whether the run is to end: no cell is begun any more, those in hand are finished."""

    asked: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a suite stands before it is run: cells to do, in order, and how many of the settled ones
    are failures."""

    todo: list[Cell]
    failed: int


def standing(cells: Iterable[Cell], store: Store, device: str, policy: Policy) -> Standing:
    """Which cells are not settled on this kind of device.

    Settled is a cell with a result, or with a failure that stays: of a kind that does not pass,
    or tried again as often as the policy says. A deadline or a limit of memory that was raised
    since opens its cell again, and so does a missing member that is there now or to be run.
    """
    tried: dict[str, list[Record]] = {}
    for record in store.records():
        if record.provenance.device == device:
            tried.setdefault(record.run_id, []).append(record)
    found: dict[str, Cell] = {}
    failed = 0
    for cell in cells:
        if not _settled(cell, tried, found, policy):
            found[cell.run_id] = cell
        elif not _ok(tried[cell.run_id]):
            failed += 1
    return Standing(list(found.values()), failed)


def _settled(
    cell: Cell, tried: dict[str, list[Record]], open_: dict[str, Cell], policy: Policy
) -> bool:
    records = tried.get(cell.run_id, [])
    if _ok(records):
        return True
    if not records or policy.retry_failed:
        return False
    last = records[-1].failure
    kind = last.kind if last is not None else ""
    if kind == "member-missing":
        now = [need in open_ or _ok(tried.get(need, [])) for need in cell.needs]
        return not all(now)
    if _raised(cell, kind, records[-1]):
        return False
    return kind not in MAY_PASS or len(records) > policy.retries


def _ok(records: Sequence[Record]) -> bool:
    return any(record.status is Status.OK for record in records)


def _raised(cell: Cell, kind: str, record: Record) -> bool:
    """Whether the limit that a cell failed at is a wider one now."""
    limit = {"timeout": cell.budget.seconds, "out-of-memory": cell.budget.memory_gb}
    name = {"timeout": "limit_seconds", "out-of-memory": "limit_memory_gb"}.get(kind)
    if name is None or name not in record.facts:
        return False
    now = limit[kind]
    return now is None or now > float(record.facts[name])


@dataclass(slots=True)
class Schedule:
    """The cells of one run on their way through an engine.

    Args:
        todo: what is to be done, in order.
        store: where records are committed.
        device: the kind of device that results count on.
        leases: of this launcher.
        display: told what happens.
        policy: how often failures are tried again.
    """

    todo: list[Cell]
    store: Store
    device: str
    leases: Leases
    display: Display
    policy: Policy
    ran: int = 0
    _open: dict[str, Cell] = field(init=False)  # not begun
    _running: dict[str, Job] = field(init=False, default_factory=dict)
    _failures: dict[str, int] = field(init=False, default_factory=dict)
    _attempts: dict[str, int] = field(init=False, default_factory=dict)  # that were known
    _known: set[tuple[str, str]] = field(init=False, default_factory=set)  # what was loaded once

    def __post_init__(self) -> None:
        self._open = {cell.run_id: cell for cell in self.todo}
        for record in self.store.records():
            if record.run_id in self._open and record.provenance.device == self.device:
                self._attempts[record.run_id] = record.attempt
                if not self.policy.retry_failed:
                    self._failures[record.run_id] = self._failures.get(record.run_id, 0) + 1

    @property
    def rest(self) -> list[Cell]:
        """Cells without a record so far."""
        return [*(job.cell for job in self._running.values()), *self._open.values()]

    def run(self, engine: Engine, stop: Stop) -> None:
        """Have everything done, or, once a stop is asked for, what is in hand.

        Raises:
            UserError: if the engine or the store cannot go on.
        """
        try:
            while self._running or (self._open and not stop.asked):
                if not stop.asked:
                    self._feed(engine)
                for event in engine.poll(SECONDS_A_POLL):
                    if isinstance(event, Finished):
                        self._finished(event, engine, stop)
                    elif isinstance(event, Within):
                        self.display.inside(event.cell, event.progress)
                    elif isinstance(event, Began):
                        self.display.started(event.cell)
                self.leases.renew()
        finally:
            self.leases.close()

    def _feed(self, engine: Engine) -> None:
        """Submit cells whose needs are settled and that nobody else works on."""
        elsewhere = 0
        while len(self._running) < engine.slots:
            candidates = [cell.run_id for cell in self._candidates()]
            run_id = self.leases.claim(candidates) if candidates else None
            if run_id is None:
                elsewhere = len(candidates)
                break
            cell = self._open.pop(run_id)
            if (record := self._settled_meanwhile(cell)) is not None:
                self.leases.release([cell.run_id])
                self.display.finished(cell, record)
                continue
            self._submit(engine, Job(cell))
        if elsewhere and not self._running:
            self.display.waiting(len(self._open), self.leases.holders(self._open))

    def _submit(self, engine: Engine, job: Job) -> None:
        self._running[job.cell.run_id] = job
        engine.submit(job)

    def _candidates(self) -> Iterator[Cell]:
        """Open cells that can be begun; first those whose features nobody is extracting now."""
        busy = {_features(job.cell) for job in self._running.values()} - self._known
        later = []
        for cell in list(self._open.values()):
            if any(need in self._open or need in self._running for need in cell.needs):
                continue
            if _features(cell) in busy:
                later.append(cell)
            else:
                yield cell
        yield from later

    def _settled_meanwhile(self, cell: Cell) -> Record | None:
        """What another launcher has made of it since this run was planned."""
        record = self.store.find(cell.run_id, self.device)
        if record is None or record.status is Status.OK:
            return record
        kind = "" if record.failure is None else record.failure.kind
        new = record.attempt > self._attempts.get(cell.run_id, 0)
        return record if new and kind not in MAY_PASS else None

    def _finished(self, event: Finished, engine: Engine, stop: Stop) -> None:
        cell, record = event.cell, event.record
        job = self._running.pop(cell.run_id)
        self._known.add(_features(cell))
        if record.failure is not None and record.failure.kind in MAY_PASS and not stop.asked:
            self._failures[cell.run_id] = failures = self._failures.get(cell.run_id, 0) + 1
            if failures <= self.policy.retries:
                self.display.retrying(cell, record)
                smaller = record.failure.kind == "out-of-memory"
                self._submit(engine, Job(cell, job.halvings + smaller))
                return
        self.leases.release([cell.run_id])
        self.ran += 1
        self.display.finished(cell, record)


def _features(cell: Cell) -> tuple[str, str]:
    """What cells with the same features have in common."""
    return cell.fingerprint, cell.backbone_label


@contextmanager
def interruptible(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C once asks for a stop; twice, or SIGTERM, is a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        say("stopping: cells in hand are finished first; Ctrl-C again stops at once")

    def ended(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, asked), signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
