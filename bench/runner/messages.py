"""What launcher and worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.core.cell import Cell
from bench.core.record import Record


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told once."""

    store: Path
    cache: Path
    device: str  # "auto", "cpu" or "cuda"
    threads: int | None = None  # of computation; None: as many as the process may use


@dataclass(frozen=True, slots=True)
class Job:
    """A cell to execute, complete in itself; `cell.needs` are the cells it builds on."""

    cell: Cell
    halvings: int = 0  # of the batch budget of extraction, after being out of memory


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is up, on this kind of device."""

    device: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The worker has taken up the job that it was given: from here on its time counts."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The worker lives: its resident bytes, and the processor seconds it has used so far."""

    bytes_resident: int
    seconds_processor: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Inside a cell: what is being done, and how much of it is done."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Done:
    """A cell is finished and its record committed; a `spent` worker ends after it."""

    record: Record
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot go on with any cell: the run has to stop."""

    message: str
    full: bool = False  # because a disk is
