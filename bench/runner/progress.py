"""What a user sees while it happens: a live bar on a terminal, plain lines elsewhere, or JSON.

`JsonLines` writes one object a line to stdout. Every one has `event`, and `seconds` since the
start; a cell is named by its `run_id`:

    say        line
    planned    total, done, failed (of those done), forecast_seconds; where nothing is to do, too
    started    run_id, cell
    progress   run_id, what, done, total
    finished   run_id, status, metric, value, seconds_cell; of a failure kind, message
    retrying   run_id, kind, message
    waiting    cells, holders (launchers that have them in hand, each with pid, machine, until)
    error      message: a mistake, or a bug, that ends the run
    ended      done, failed (of those done), total; the last one, zeros where nothing was planned

Done is a cell that is settled, with a result or a failure, by this run or by one before it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from bench.core.amounts import counted
from bench.core.cell import Cell
from bench.core.errors import UserError
from bench.core.inert import clean, lines
from bench.core.record import Record, Status
from bench.measure import Clock, wall
from bench.runner.forecast import Forecast
from bench.runner.messages import Progress
from bench.store import Holder

LONGEST = 400
"""Characters of a line about a cell."""


class Display(Protocol):
    """Told what happens, in order."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def say(self, line: str) -> None: ...
    def planned(self, total: int, done: int, failed: int, forecast: Forecast) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def inside(self, cell: Cell, progress: Progress) -> None: ...
    def finished(self, cell: Cell, record: Record) -> None: ...
    def retrying(self, cell: Cell, record: Record) -> None: ...
    def waiting(self, count: int, holders: Sequence[Holder]) -> None: ...


class Quiet:
    """Shows nothing: for Python callers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, line: str) -> None: ...

    def planned(self, total: int, done: int, failed: int, forecast: Forecast) -> None: ...

    def started(self, cell: Cell) -> None: ...

    def inside(self, cell: Cell, progress: Progress) -> None: ...

    def finished(self, cell: Cell, record: Record) -> None: ...

    def retrying(self, cell: Cell, record: Record) -> None: ...

    def waiting(self, count: int, holders: Sequence[Holder]) -> None: ...


class TimeLeft:
    """How long the rest will take: the forecast, corrected by what the cells so far took.

    Of `n` cells with a forecast of `f` seconds each, the first `k` took `s`: the rest gets
    `(s + f) / (k f + f)` times its forecast, so that one odd cell does not decide. Time counts
    from the beginning of the first cell: that of starting a worker comes once, not with each.
    """

    def __init__(self, cells: int, forecast: float, clock: Clock = wall) -> None:
        self._cells, self._each = cells, forecast / cells if cells else 0.0
        self._clock, self._done = clock, 0
        self._start: float | None = None

    @property
    def begun(self) -> bool:
        return self._start is not None

    def started(self) -> None:
        """A cell begins, the first or another."""
        if self._start is None:
            self._start = self._clock()

    def finished(self) -> None:
        """A cell is done; one before any began was another launcher's."""
        if self._start is None:
            self._cells -= 1
        else:
            self._done += 1

    def seconds(self) -> float:
        spent = 0.0 if self._start is None else self._clock() - self._start
        expected = (self._done + 1) * self._each
        factor = (spent + self._each) / expected if expected > 0 and self._done else 1.0
        return max(0.0, (self._cells - self._done) * self._each * factor)


class Lines(Quiet):
    """One plain line a cell on stderr, for logs."""

    def __init__(self, clock: Clock = wall) -> None:
        self._total = self._done = 0
        self._waited = False
        self._clock, self._left = clock, TimeLeft(0, 0.0)

    def say(self, line: str) -> None:
        sys.stderr.write(f"{lines(line)}\n")
        sys.stderr.flush()

    def planned(
        self,
        total: int,
        done: int,
        failed: int,  # noqa: ARG002 -- each has its line
        forecast: Forecast,
    ) -> None:
        self._total, self._done = total, done
        self._left = TimeLeft(total - done, forecast.seconds, self._clock)

    def started(self, cell: Cell) -> None:  # noqa: ARG002 -- as Display has it
        self._left.started()

    def finished(self, cell: Cell, record: Record) -> None:
        self._done += 1
        self._left.finished()
        left = f" ({duration(self._left.seconds())} left)" if self._done < self._total else ""
        self.say(clean(f"[{self._done}/{self._total}] {cell}: {outcome(record)}", LONGEST) + left)

    def retrying(self, cell: Cell, record: Record) -> None:
        self.say(clean(f"trying again: {cell}: {outcome(record)}", LONGEST))

    def waiting(self, count: int, holders: Sequence[Holder]) -> None:
        if not self._waited:
            self.say(waited(count, holders))
        self._waited = True


class JsonLines(Quiet):
    """One JSON object an event, on stdout; see the module."""

    def __init__(self, clock: Clock = wall) -> None:
        self._clock, self._start = clock, clock()
        self._total = self._done = self._failed = 0

    def __exit__(self, *raised: object) -> None:
        _, error, _ = raised
        if isinstance(error, Exception):
            bug = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            self._write("error", {"message": f"{bug}{error}"})
        counts = {"done": self._done, "failed": self._failed, "total": self._total}
        self._write("ended", counts)

    def say(self, line: str) -> None:
        self._write("say", {"line": line})

    def planned(self, total: int, done: int, failed: int, forecast: Forecast) -> None:
        self._total, self._done, self._failed = total, done, failed
        plain = {"total": total, "done": done, "failed": failed}
        self._write("planned", {**plain, "forecast_seconds": forecast.seconds})

    def started(self, cell: Cell) -> None:
        self._write("started", {"run_id": cell.run_id, "cell": str(cell)})

    def inside(self, cell: Cell, progress: Progress) -> None:
        what = {"what": progress.what, "done": progress.done, "total": progress.total}
        self._write("progress", {"run_id": cell.run_id, **what})

    def finished(self, cell: Cell, record: Record) -> None:
        self._done += 1
        ok = record.status is Status.OK
        self._failed += not ok
        plain: dict[str, Any] = {"run_id": cell.run_id, "status": record.status.value}
        if ok:
            plain |= {"metric": record.main_metric, "value": record.metrics[record.main_metric]}
            plain["seconds_cell"] = record.seconds
        self._write("finished", {**plain, **_failure(record)})

    def retrying(self, cell: Cell, record: Record) -> None:
        self._write("retrying", {"run_id": cell.run_id, **_failure(record)})

    def waiting(self, count: int, holders: Sequence[Holder]) -> None:
        told = [{"pid": of.pid, "machine": of.machine, "until": of.until} for of in holders]
        self._write("waiting", {"cells": count, "holders": told})

    def _write(self, event: str, plain: Mapping[str, Any]) -> None:
        since = round(self._clock() - self._start, 3)
        sys.stdout.write(json.dumps({"event": event, "seconds": since, **plain}) + "\n")
        sys.stdout.flush()


class Bar(Quiet):
    """A rich progress bar on stderr: done, running, failed, and the time left."""

    def __init__(self, clock: Clock = wall) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True, highlight=False)
        self._rich = RichProgress(
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        )
        self._bar = self._rich.add_task("planning", total=None, left="")
        self._failed, self._running = 0, set[str]()
        self._clock, self._left = clock, TimeLeft(0, 0.0)

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rich.stop()

    def say(self, line: str) -> None:
        self._console.print(lines(line), markup=False)

    def planned(self, total: int, done: int, failed: int, forecast: Forecast) -> None:
        self._left = TimeLeft(total - done, forecast.seconds, self._clock)
        self._failed = failed
        self._rich.update(self._bar, total=total, completed=done)
        self._show("starting a worker" if done < total else "")

    def started(self, cell: Cell) -> None:
        self._running.add(cell.run_id)
        self._left.started()
        self._show(str(cell))

    def inside(self, cell: Cell, progress: Progress) -> None:
        part = f" {progress.done}/{progress.total}" if progress.total > 1 else ""
        self._show(f"{cell.task.name}: {progress.what}{part}")

    def finished(self, cell: Cell, record: Record) -> None:
        self._running.discard(cell.run_id)
        self._left.finished()
        if record.status is not Status.OK:
            self._failed += 1
            self.say(clean(f"{cell}: {outcome(record)}", LONGEST))
        self._rich.update(self._bar, advance=1)
        self._show(f"{cell}: {outcome(record)}")

    def retrying(self, cell: Cell, record: Record) -> None:
        self.say(clean(f"trying again: {cell}: {outcome(record)}", LONGEST))

    def waiting(self, count: int, holders: Sequence[Holder]) -> None:
        self._show(waited(count, holders))

    def _show(self, what: str) -> None:
        counts = [f"{len(self._running)} running"] if len(self._running) > 1 else []
        counts += [f"{self._failed} failed"] if self._failed else []
        left = f"{duration(self._left.seconds())} left" if self._left.begun else ""
        told = clean(", ".join([*counts, what]), LONGEST)
        self._rich.update(self._bar, description=told, left=left)


def outcome(record: Record) -> str:
    """One record in a few words."""
    if record.status is not Status.OK:
        failure = record.failure
        return f"FAILED ({failure.kind}: {failure.message})" if failure else "FAILED"
    value = record.metrics[record.main_metric]
    return f"{record.main_metric} {value:.3f} in {record.seconds:.1f} s"


def waited(count: int, holders: Sequence[Holder]) -> str:
    """What is waited for, and who has it."""
    who = f": {'; '.join(map(str, holders))}, or longer" if holders else ""
    return f"waiting for {counted(count, 'cell')} that another launcher has in hand{who}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _failure(record: Record) -> dict[str, str]:
    if record.failure is None:
        return {}
    return {"kind": record.failure.kind, "message": record.failure.message}


def display(*, json_lines: bool = False) -> Display:
    """JSON lines where they are asked for, or else the display that fits stderr."""
    if json_lines:
        return JsonLines()
    return Bar() if sys.stderr.isatty() and _redraws() else Lines()


def _redraws() -> bool:
    """Whether a bar would be seen while it runs: on TERM=dumb rich draws none."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_terminal and not console.is_dumb_terminal
