"""The test inputs of a record and its classes' names, loaded through its task or noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import UserError
from bench.core.inert import clean
from bench.core.record import Record
from bench.core.suite import TaskEntry
from bench.core.task import Input, Task
from bench.mistakes.analysis import Run

LONGEST = 80
"""Characters of an input that are shown."""


@dataclass(frozen=True, slots=True)
class Data:
    """Class names by id, and the inputs in test order; both empty where they were not loaded."""

    names: tuple[str, ...] = ()
    inputs: Sequence[Input] = ()

    def name(self, class_id: int) -> str:
        """A class's name, or its id."""
        return (self.names[class_id] if self.names else "") or str(class_id)

    def shown(self, item: int) -> str:
        """One inert line that says what an input is."""
        found = self.inputs[item]
        if isinstance(found, str):
            return clean(found, LONGEST)
        if shape := getattr(found, "shape", None):
            return f"{' x '.join(map(str, shape))} array"
        return clean(str(found), LONGEST)


def data_of(run: Run, suite: Path | None, *, wanted: bool) -> Data:
    """What can be said of a run's items: everything where it is `wanted` or a suite is given, and
    else the names of classes, from the task's data where these are on this machine already, or
    from the record.

    Raises:
        UserError: if they are wanted and cannot be had, or are no longer those of the record.
    """
    task = _task(run.record, suite)
    asked = wanted or suite is not None
    if task is None:
        if asked:
            raise UserError(
                f"{run.record.task!r} is not a task that bench knows: give the suite that describes"
                " it (--suite FILE)"
            )
        return _noted(run)
    if not asked and not _at_hand(task, run.record):
        return _noted(run)
    return _loaded(task, run)


def _noted(run: Run) -> Data:
    """Names alone, as the record has them: those of earlier versions have none."""
    names = () if run.record.data is None else run.record.data.class_names
    return Data(names if len(names) == run.items.classes else ())


def _task(record: Record, suite: Path | None) -> Task | None:
    if suite is not None:
        from bench.runner.run import plan_suite

        known = plan_suite(suite).tasks
        key = _entry(record).key
        if key not in known:
            raise UserError(f"{suite} has no task {key!r}: {', '.join(known)}")
        return known[key]
    from bench import tasks

    entry = _entry(record)
    if not {entry.name, entry.test_on or entry.name} <= set(tasks.registry()):
        return None
    return tasks.build(entry, Path(), {})


def _entry(record: Record) -> TaskEntry:
    """What a suite would say of the record's task, as far as its items go."""
    test_on = record.identity.get("test_on")
    return TaskEntry(name=record.task, test_on=None if test_on is None else str(test_on))


def _at_hand(task: Task, record: Record) -> bool:
    """Whether loading a task needs no network and gives what the record saw."""
    from bench.assets import is_cached

    here = all(map(is_cached, task.spec.assets))
    return here and task.spec.fingerprint == record.identity.get("data")


def _loaded(task: Task, run: Run) -> Data:
    from bench.runner.items import test_split
    from bench.tasks import conditions

    record = run.record
    if task.spec.fingerprint != record.identity.get("data"):
        raise UserError(
            f"the data of {record.task!r} are no longer those that {record.run_id[:12]} was tested"
            " on: their digest or settings have changed"
        )
    splits = task.load()
    size = record.identity.get("test_size")
    test = test_split(splits.test, size if isinstance(size, int) else None)
    if test.targets.tolist() != run.items.true.tolist():
        raise UserError(f"the test items of {record.task!r} are not those of the record")
    inputs, condition = test.inputs, record.identity.get("condition")
    if condition:  # as the cell saw them
        inputs = conditions.apply(str(condition), inputs, task.spec)
    return Data(splits.class_names, inputs)
