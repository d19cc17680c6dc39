"""What only the plugins can tell about a suite: names, parameters, modalities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from bench import backbones, methods, tasks
from bench.backbones.shapes import PREFIX as SHAPE
from bench.core.cell import Cell, label_of
from bench.core.errors import Mistake, SuiteError, did_you_mean
from bench.core.method import Needs
from bench.core.metrics import CLASSIFICATION, TRANSCRIPTION
from bench.core.suite import BackboneEntry, MethodEntry, Suite
from bench.core.task import Task, TaskKind
from bench.suite_file import CLEAN, FULL, Draft
from bench.tasks import conditions, shift

OWN = frozenset({"name", "label", "members", "teacher", "backbones"})
"""Keys of a `[[method]]` that are no parameters."""
APART = frozenset({"train", "draws", "condition", "conditions", "test_on"})
"""What entries of one task may differ in."""
PLAIN = {"sampling": "random", "validation_extra": 0}
"""What a rule says where it does not say so."""
CELLS_MOST = 100_000
"""A larger grid is refused: it is a slip of the pen, or it wants several suites."""


def check(draft: Draft) -> list[Mistake]:
    """All mistakes in names and parameters, also of entries whose form has a mistake."""
    found = _task_doubles(draft)
    for where, table in draft.entries("task"):
        name = table.get("name")
        if "data" not in table and isinstance(name, str) and name not in tasks.registry():
            near = did_you_mean(name, tasks.registry())
            found.append(Mistake(f"{where}.name", f"no task is named {name!r}{near}"))
        found += _condition_mistakes(where, table)
        found += _shift_mistakes(where, table)
        found += _metric_mistakes(where, table)
    for where, table in draft.entries("backbone"):
        name = table.get("name")
        if isinstance(name, str) and name.startswith(SHAPE):
            message = (
                f"{name!r} is a shape with random weights: it can be timed "
                f"(bench throughput {name}), and has no place in a table of scores"
            )
            found.append(Mistake(f"{where}.name", message))
        elif (
            isinstance(name, str)
            and not name.startswith(backbones.OUTSIDE)
            and name not in backbones.registry()
        ):
            near = did_you_mean(name, backbones.registry())
            found.append(Mistake(f"{where}.name", f"no backbone is named {name!r}{near}"))
    for where, table in draft.entries("method"):
        name = table.get("name")
        if not isinstance(name, str):
            continue
        if name not in methods.registry():
            near = did_you_mean(name, methods.registry())
            found.append(Mistake(f"{where}.name", f"no method is named {name!r}{near}"))
            continue
        given = {key: value for key, value in table.items() if key not in OWN}
        found += [
            Mistake(f"{where}.{key}", message)
            for key, message in methods.registry()[name].spec.mistakes(given)
        ]
    return found


def _metric_mistakes(where: str, table: dict[str, Any]) -> list[Mistake]:
    """A metric that nobody knows, or that is of another kind of task."""
    name, metric, known = table.get("name"), table.get("main_metric"), tasks.registry()
    if not isinstance(metric, str):
        return []
    if metric not in {*CLASSIFICATION, *TRANSCRIPTION}:
        message = f"no metric is named {metric!r}{did_you_mean(metric, CLASSIFICATION)}"
        return [Mistake(f"{where}.main_metric", message)]
    if "data" in table:
        said = "transcript" in table
    elif isinstance(name, str) and name in known:
        said = known[name].spec.kind is TaskKind.TRANSCRIPTION
    else:
        return []
    fitting = TRANSCRIPTION if said else tuple(CLASSIFICATION)
    if metric in fitting:
        return []
    of = "transcripts" if said else "classes"
    message = f"{metric!r} is no metric of {of}; they have: {', '.join(fitting)}"
    return [Mistake(f"{where}.main_metric", message)]


def _condition_mistakes(where: str, table: dict[str, Any]) -> list[Mistake]:
    """Conditions that nobody knows, or that do not fit a task that is known by name."""
    name, known = table.get("name"), tasks.registry()
    task = known[name] if isinstance(name, str) and "data" not in table and name in known else None
    given = {key: table.get(key, []) for key in ("condition", "conditions")}
    return [
        Mistake(f"{where}.{key}", wrong)
        for key, names in given.items()
        for one in (names if isinstance(names, list) else [names])
        if (wrong := _wrong(str(one), task))
    ]


def _wrong(condition: str, task: Task | None) -> str | None:
    if wrong := conditions.mistake(condition):
        return wrong
    return None if task is None else conditions.unfit(condition, task.spec)


def _shift_mistakes(where: str, table: dict[str, Any]) -> list[Mistake]:
    """A task to test on that nobody knows, or that has other inputs than the one of its entry."""
    name, other, known = table.get("name"), table.get("test_on"), tasks.registry()
    if not isinstance(other, str):
        return []
    wrong = None
    if other not in known:
        wrong = f"no task is named {other!r}{did_you_mean(other, known)}"
    elif other == name:
        wrong = f"{other!r} is the task itself"
    elif "data" not in table and isinstance(name, str) and name in known:
        wrong = shift.unfit(known[name].spec, known[other].spec)
    return [Mistake(f"{where}.test_on", wrong)] if wrong else []


def _task_doubles(draft: Draft) -> list[Mistake]:
    """Entries of one name: they may differ in how much is labelled and drawn, and no further."""
    found: list[Mistake] = []
    first: dict[str, tuple[str, dict[str, Any]]] = {}
    rules: dict[tuple[str, str], str] = {}
    for where, table in draft.entries("task"):
        name = table.get("name")
        if not isinstance(name, str):
            continue
        earlier, same = first.setdefault(name, (where, table))
        if earlier == where:
            continue
        both = table.get("test_on") == same.get("test_on")
        apart = APART if both else APART | {"test_size"}  # another test split has a size of its own
        if _data_of(table, apart) != _data_of(same, apart):
            message = f"{name!r} is used twice: a table could not tell them apart"
            found.append(Mistake(f"{where}.name", message))
    for where, table in draft.entries("task"):
        twice = [rules[rule] for rule in _rules_of(table) if rule in rules]
        if twice:
            found.append(Mistake(where, f"labels the same as {twice[0]}"))
        rules.update(dict.fromkeys(_rules_of(table), where))
    return found


def _rules_of(table: dict[str, Any]) -> list[tuple[str, str]]:
    """What an entry labels and tests under, as name and rule: one of each size of a curve."""
    train, name = table.get("train", FULL), f"{table.get('name')} {table.get('test_on', '')}"
    given = table.get("conditions", [table.get("condition", CLEAN)])
    names = [f"{name} {one}" for one in given] if isinstance(given, list) else [name]
    if not isinstance(train, dict):
        return [(name, repr(train)) for name in names]
    sizes = train.get("per_class")
    rules: list[Any] = [
        FULL if size == FULL else sorted({**PLAIN, **train, "per_class": size}.items())
        for size in (sizes if isinstance(sizes, list) else [sizes])
    ]
    return [(name, repr(rule)) for name in names for rule in rules]


def _data_of(table: dict[str, Any], apart: frozenset[str]) -> dict[str, Any]:
    """What decides the items of a task, whatever is labelled of them."""
    return {key: value for key, value in table.items() if key not in apart}


def _same_labels(section: str, rows: Sequence[BackboneEntry | MethodEntry]) -> list[Mistake]:
    """Entries of one name in tables: one would stand for both, and be the member of others."""
    labels, found = [label_of(row) for row in rows], []
    for i, label in enumerate(labels):
        if (first := labels.index(label)) < i and rows[first] != rows[i]:
            message = f"is called {label!r} like {section}[{first}]: give one of them another label"
            found.append(Mistake(f"{section}[{i}]", message))
    return found


def check_whole(suite: Suite) -> list[Mistake]:
    """What can be told once every entry is well-formed: doubles, a grid too large, no backbone."""
    found: list[Mistake] = []
    known: dict[tuple[str, str], str] = {}
    entries: dict[str, Sequence[BackboneEntry | MethodEntry]]
    entries = {"backbone": suite.backbones, "method": suite.methods}
    for section, rows in entries.items():
        for i, row in enumerate(rows):  # whatever it is called: its cells would be the same
            key = (section, str(dataclasses.replace(row, label=None)))
            if key in known:
                found.append(Mistake(f"{section}[{i}]", f"is the same as {known[key]}"))
            known.setdefault(key, f"{section}[{i}]")
        found += _same_labels(section, rows)
    specs = [methods.registry()[entry.name].spec for entry in suite.methods]
    needing = [spec.name for spec in specs if spec.needs not in {Needs.INPUTS, Needs.MEMBERS}]
    if not suite.backbones and needing:
        found.append(Mistake("backbone", f"method {needing[0]!r} needs at least one [[backbone]]"))
    size = len(suite.tasks) * max(1, len(suite.backbones)) * len(suite.methods)
    size *= suite.draws * suite.seeds
    if size > CELLS_MOST:
        found.append(
            Mistake("suite", f"the grid has {size:,} cells; at most {CELLS_MOST:,} are run")
        )
    return found


def refuse_doubles(suite: Suite, cells: Sequence[Cell]) -> None:
    """Refuse entries that say the same in other words, a default for example.

    Raises:
        SuiteError: if two cells are one computation: a result could have one of the names alone.
    """
    known: dict[str, Cell] = {}
    for cell in (cell for cell in cells if (cell.draw, cell.seed) == (0, 0)):
        other = known.setdefault(cell.run_id, cell)
        if other is not cell:
            names = [f"{one.backbone_label} / {one.method_label}" for one in (other, cell)]
            wrong = (
                f"{names[1]} is the same as {names[0]}, under another name: leave one of them out"
            )
            raise SuiteError(suite.name, [Mistake(cell.task.key, wrong)])
