"""Robustness: what each entrant loses where its test inputs are changed, or are another task's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.core.identity import canonical_json
from bench.stats import Estimate, combine
from bench.store import Store
from bench.tables.curves import Groups
from bench.tables.entrants import Entrant, Group, check_same_items, load, paired
from bench.tables.problem import CHANGED, Problem
from bench.tables.rows import Gap, Row

Name: TypeAlias = tuple[str, str]
"""Backbone and method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One column: the changed problem, in words, and whether its items are the clean ones'."""

    problem: Problem
    words: str
    paired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An entrant under one change; `gap` is its score minus the clean one, None without both."""

    row: Row | None
    gap: Gap | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sturdy:
    """One entrant: its row on clean inputs, and what is left under each change."""

    clean: Row
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """A problem with test inputs as they are, its changes, and its entrants in their order."""

    problem: Problem
    changes: tuple[Change, ...]
    lines: tuple[Sturdy, ...]


def changed(by_problem: Groups) -> frozenset[Problem]:
    """The problems whose test inputs are under a condition, or are another task's."""
    return frozenset(p for p, of in by_problem.items() if any(map(_identity(of).get, CHANGED)))


def robustness(store: Store, by_problem: Groups, rows: Iterable[Row]) -> list[Robustness]:
    """A table for each problem that has changes. Two problems' values are in memory at a time.

    Raises:
        StoreError: if predictions are missing or damaged, or a condition has other test items.
    """
    at: dict[Problem, dict[Name, Row]] = defaultdict(dict)
    for row in rows:
        if row.control is None:
            at[row.problem][row.backbone, row.method] = row
    return [
        _table(store, by_problem, at, problem, changes)
        for problem, changes in _changes(by_problem).items()
    ]


def _changes(by_problem: Groups) -> dict[Problem, list[Change]]:
    """The changes of each problem that has some: its conditions, then other tasks' test items."""
    whole: dict[str, Problem] = {}
    plain: dict[str, list[Problem]] = defaultdict(list)  # several: versions of one task's data
    for problem, of in by_problem.items():
        identity = _identity(of)
        if "condition" not in identity:
            whole[_same(problem, of, "data", "test_size", "test_on")] = problem
            if "test_on" not in identity:
                plain[_same(problem, of)].append(problem)
    found: dict[Problem, list[Change]] = {problem: [] for problem in whole.values()}
    for problem, of in by_problem.items():
        base = whole.get(_same(problem, of, "data", "test_size", "test_on"))
        if base is not None and base != problem:
            words = str(_identity(of)["condition"])
            found[base].append(Change(problem=problem, words=words, paired=True))
    for problem in whole.values():
        of = by_problem[problem]
        elsewhere, bases = _identity(of).get("test_on"), plain[_same(problem, of)]
        if elsewhere and len(bases) == 1:
            words = f"tested on {elsewhere}"
            found[bases[0]].append(Change(problem=problem, words=words, paired=False))
    return {problem: changes for problem, changes in found.items() if changes}


def _identity(groups: Sequence[Group]) -> Mapping[str, object]:
    return groups[0].records[0].identity


def _same(problem: Problem, groups: Sequence[Group], *more: str) -> str:
    """What a problem and its changes share: the task, what is labelled, and `more`."""
    identity = _identity(groups)
    shared = [problem.task, problem.modality, problem.metric, identity.get("train")]
    return canonical_json([*shared, *(identity.get(name) for name in more)])


def _table(
    store: Store,
    by_problem: Groups,
    at: Mapping[Problem, Mapping[Name, Row]],
    problem: Problem,
    changes: Sequence[Change],
) -> Robustness:
    clean = _loaded(store, by_problem[problem])
    held: dict[Name, list[Held]] = {name: [] for name in at[problem]}
    for change in changes:
        there = _loaded(store, by_problem[change.problem]) if change.paired else {}
        for name, of in held.items():
            row = at[change.problem].get(name)
            if change.paired:
                gap = _paired(there.get(name), clean.get(name))
            else:
                gap = _apart(row, at[problem][name])
            of.append(Held(row=row, gap=gap))
    return Robustness(
        problem=problem,
        changes=tuple(changes),
        lines=tuple(Sturdy(clean=at[problem][n], held=tuple(of)) for n, of in held.items()),
    )


def _loaded(store: Store, groups: Iterable[Group]) -> dict[Name, Entrant]:
    return {(g.backbone, g.method): load(store, g) for g in groups if g.control is None}


def _paired(one: Entrant | None, clean: Entrant | None) -> Gap | None:
    """By draw and test item."""
    if one is None or clean is None:
        return None
    check_same_items([one, clean])
    found = paired(one, clean)
    if found is None:
        return None
    return Gap(difference=found.difference, low=found.low, high=found.high)


def _apart(row: Row | None, clean: Row) -> Gap | None:
    if row is None or row.value is None or clean.value is None:
        return None
    return _unpaired(row.value, clean.value)


def _unpaired(one: Estimate, clean: Estimate) -> Gap:
    """Of means over different items: their difference has twice the deviation of their mean.

    Their draws are taken as independent; those that do well here and there alike make the
    interval too wide, never too narrow.
    """
    both = combine([one, clean])
    difference, half = one.mean - clean.mean, both.high - both.low
    return Gap(difference=difference, low=difference - half, high=difference + half)
