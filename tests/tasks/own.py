"""The user's own data as a run meets them: described, pinned by a lock, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.assets import Lock, pin
from bench.core.suite import TaskEntry
from bench.core.task import Splits, Task
from bench.tasks import build


def make(folder: Path, data: str, **settings: Any) -> Task:
    """Build the task with a lock that holds its files."""
    entry = TaskEntry(name="mine", data=data, **settings)
    lock = Lock(folder / "suite.lock")
    for asset in build(entry, folder, {}).spec.assets:
        pin(asset, folder, lock)
    return build(entry, folder, lock.pins)


def load(folder: Path, data: str, **settings: Any) -> Splits:
    return make(folder, data, **settings).load()


def write(folder: Path, text: str, name: str = "mine.csv") -> str:
    """Write a file and return its URI."""
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return f"file:{name}"


def rows(*labels: str, times: int = 4) -> str:
    """Rows of CSV without a header: `times` different texts for each label."""
    return "".join(f"{label} text {i},{label}\n" for i in range(times) for label in labels)
