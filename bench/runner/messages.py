"""What launcher and worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.core.record import Record


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told once."""

    store: Path
    cache: Path
    device: str  # "auto", "cpu" or "cuda"


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker is up, on this kind of device."""

    device: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Inside a cell: what is being done, and how much of it is done."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Done:
    """A cell is finished and its record committed."""

    record: Record


@dataclass(frozen=True, slots=True)
class Broken:
    """The worker cannot go on with any cell (a full disk): the run has to stop."""

    message: str
