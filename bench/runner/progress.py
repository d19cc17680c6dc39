"""What a user sees while it happens: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self

from bench.core.cell import Cell
from bench.core.record import Record, Status
from bench.runner.forecast import Forecast
from bench.runner.messages import Progress


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
    def planned(self, total: int, done: int, forecast: Forecast) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def inside(self, cell: Cell, progress: Progress) -> None: ...
    def finished(self, cell: Cell, record: Record) -> None: ...
    def retrying(self, cell: Cell, record: Record) -> None: ...
    def waiting(self, count: int) -> None: ...


class Quiet:
    """Shows nothing: for Python callers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, line: str) -> None: ...

    def planned(self, total: int, done: int, forecast: Forecast) -> None: ...

    def started(self, cell: Cell) -> None: ...

    def inside(self, cell: Cell, progress: Progress) -> None: ...

    def finished(self, cell: Cell, record: Record) -> None: ...

    def retrying(self, cell: Cell, record: Record) -> None: ...

    def waiting(self, count: int) -> None: ...


class Lines(Quiet):
    """One plain line a cell on stderr, for logs."""

    def __init__(self) -> None:
        self._total = self._done = 0

    def say(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def planned(self, total: int, done: int, forecast: Forecast) -> None:  # noqa: ARG002
        self._total, self._done = total, done

    def finished(self, cell: Cell, record: Record) -> None:
        self._done += 1
        self.say(f"[{self._done}/{self._total}] {cell}: {outcome(record)}")


class Bar(Quiet):
    """A rich progress bar on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True, highlight=False)
        self._rich = RichProgress(
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        )
        self._bar = self._rich.add_task("planning", total=None)
        self._failed = 0

    def __enter__(self) -> Self:
        self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rich.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False)

    def planned(self, total: int, done: int, forecast: Forecast) -> None:  # noqa: ARG002
        self._rich.update(self._bar, total=total, completed=done, description="starting a worker")

    def inside(self, cell: Cell, progress: Progress) -> None:
        part = f" {progress.done}/{progress.total}" if progress.total > 1 else ""
        self._rich.update(self._bar, description=f"{cell.task.name}: {progress.what}{part}")

    def finished(self, cell: Cell, record: Record) -> None:
        if record.status is not Status.OK:
            self.say(f"{cell}: {outcome(record)}")
        self._rich.update(self._bar, advance=1, description=f"{cell}: {outcome(record)}")


def outcome(record: Record) -> str:
    """One record in a few words."""
    if record.status is not Status.OK:
        failure = record.failure
        return f"FAILED ({failure.kind}: {failure.message})" if failure else "FAILED"
    value = record.metrics[record.main_metric]
    return f"{record.main_metric} {value:.3f} in {record.seconds:.1f} s"


def display(*, json_lines: bool = False) -> Display:  # noqa: ARG001
    """The display that fits stderr."""
    return Bar() if sys.stderr.isatty() else Lines()
