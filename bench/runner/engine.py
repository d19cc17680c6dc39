"""Where cells are executed: the seam between the launcher and whatever executes.

An engine takes jobs, each complete in itself, and tells what becomes of them. `bench.runner.local`
is the one there is; one that hands jobs to other machines would hand over `bench run-cell FILE`
(`bench.runner.jobs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.core.cell import Cell
from bench.core.record import Record
from bench.runner.messages import Job, Progress
from bench.store import Store


@dataclass(frozen=True, slots=True)
class Began:
    """A cell is being executed now."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class Within:
    """Something happens inside a cell."""

    cell: Cell
    progress: Progress


@dataclass(frozen=True, slots=True)
class Finished:
    """A cell has a record, which is committed: a result or a failure."""

    cell: Cell
    record: Record


Event = Began | Within | Finished


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an engine is to execute: "auto", "cpu" or "cuda", and by how many workers at a time.

    Without `workers` there is one for each GPU, and one on a CPU.
    """

    device: str = "auto"
    workers: int | None = None
    deterministic: bool = False


class Engine(Protocol):
    """Executes jobs; every job that was submitted and not cancelled ends in one `Finished`."""

    @property
    def device(self) -> str:
        """The kind of device cells run on ("cpu" or "cuda"), known once it is started."""
        ...

    @property
    def slots(self) -> int:
        """How many jobs it can have at a time."""
        ...

    def start(self) -> None:
        """Raises `UserError` if the device cannot be had."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job whose `cell.needs` are settled in the store."""
        ...

    def poll(self, seconds: float) -> list[Event]:
        """What has happened; where nothing has, it is waited for at most so long.

        Raises:
            UserError: if no further cell can be recorded (a full disk).
        """
        ...

    def cancel(self, run_id: str) -> None:
        """Forget a job, running or not; nothing is recorded of it."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


MakeEngine = Callable[[Store, Path, Placement], Engine]
