"""Tasks: labelled problems by name, and the user's own data.

A new built-in task is one module here that lists it in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bench.core.registry import Registry, discover
from bench.core.suite import TaskEntry
from bench.core.task import Task
from bench.tasks._checks import check, duplicates_across

__all__ = ["build", "check", "duplicates_across", "registry"]


@cache
def registry() -> Registry[Task]:
    """Every known task by name: the modules here, and other packages' entry points."""
    return Registry("task", discover("bench.tasks", "TASKS", "bench.tasks"))


def build(entry: TaskEntry, folder: Path, pins: Mapping[str, str]) -> Task:
    """The task that a suite's entry names, or the one that its own `data` makes.

    `folder` is where `file:` URIs start.  `pins` holds, for URIs of the user's, the sha256
    of what stands there (`file:`, `https:`) or the revision (`hub:`).

    Raises:
        UserError: if no task has that name, or the entry's own data are described wrongly.
    """
    if entry.test_on is not None:
        from bench.tasks.shift import Shifted

        return Shifted(registry()[entry.name], registry()[entry.test_on])
    if entry.data is None:
        return registry()[entry.name]
    from bench.tasks.table import from_entry

    return from_entry(entry, folder, pins)
