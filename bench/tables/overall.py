"""Across tasks: means over a complete grid, and a refusal where the grid has holes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from bench.stats import Estimate, Spread, across, combine, elo, rated
from bench.tables.entrants import BOUNDS
from bench.tables.front import Better
from bench.tables.problem import Problem
from bench.tables.rows import Row

ELO_MOST = 64
"""Entrants up to which Elo is resampled: its work grows with their cube, and a rating without an
interval is no number for a table."""

Entrants: TypeAlias = Mapping[tuple[str, str], Mapping[Problem, Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """One entrant (backbone, method) over all tasks of a modality.

    Where a task has several sizes, over those that share the rule `train`: a task is
    not counted once a size, its test items being the same.

    `value` is the mean of the main metrics (`metric` names them all), its interval for
    these tasks; `rank` the mean of the ranks in the tasks' tables. `win_rate`, `elo` and
    `improvability` (`bench.stats`) are among the entrants that are complete in every
    task, a win being a difference that is shown and anything else a tie; None where one
    alone is complete. `_low` and `_high` are for other tasks like these, and None
    where the tasks are fewer than `bench.stats.FEWEST`.

    All are None where the entrant is not complete in every task: what is `missing` is
    named, and a mean over the rest would compare different tasks.
    """

    modality: str
    train: str = ""
    backbone: str
    method: str
    metric: str
    value: Estimate | None
    rank: float | None = None
    rank_low: float | None = None
    rank_high: float | None = None
    win_rate: float | None = None
    win_rate_low: float | None = None
    win_rate_high: float | None = None
    elo: float | None = None
    elo_low: float | None = None
    elo_high: float | None = None
    improvability: float | None = None
    improvability_low: float | None = None
    improvability_high: float | None = None
    tasks: int
    missing: tuple[str, ...]
    run_ids: tuple[str, ...]


def overall(rows: Iterable[Row], better: Mapping[Problem, Better]) -> list[Overall]:
    """One list per modality (and rule) with two tasks or more, best mean first, incomplete last.

    `better` is of each problem's ranked rows in their order (`Ranking`).
    """
    by_modality: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.control is None:
            by_modality[row.problem.modality].append(row)
    found = []
    for _, of_modality in sorted(by_modality.items()):
        for train, of_rule in _by_rule(of_modality).items():
            problems = sorted({row.problem for row in of_rule})
            if len(problems) > 1:
                made = _of_modality(of_rule, problems, better)
                found += [replace(entry, train=train) for entry in made]
    return found


def _by_rule(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by their training rule where a task has several, and else all under no rule's name."""
    tasks = Counter(problem.task for problem in {row.problem for row in rows})
    several = max(tasks.values()) > 1
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.problem.train if several else ""].append(row)
    return found


def _of_modality(
    rows: Sequence[Row], problems: Sequence[Problem], better: Mapping[Problem, Better]
) -> list[Overall]:
    entrants: dict[tuple[str, str], dict[Problem, Row]] = defaultdict(dict)
    place: dict[Problem, dict[tuple[str, str], int]] = defaultdict(dict)
    for row in rows:
        name = (row.backbone, row.method)
        entrants[name][row.problem] = row
        if row.rank is not None:
            place[row.problem][name] = len(place[row.problem])
    made = {name: _of_entrant(found, problems) for name, found in entrants.items()}
    names = [name for name, entry in made.items() if not entry.missing]
    if names:
        at = [[place[problem][name] for name in names] for problem in problems]
        shown = [better[p][np.ix_(a, a)] for p, a in zip(problems, at, strict=True)]
        for name, numbers in zip(names, _across(entrants, names, problems, shown), strict=True):
            made[name] = replace(made[name], **numbers)
    return sorted(made.values(), key=_order)


def _across(
    entrants: Entrants,
    names: Sequence[tuple[str, str]],
    problems: Sequence[Problem],
    better: Sequence[Better],
) -> list[dict[str, Any]]:
    """Numbers over the tasks by their field, for each complete entrant."""
    grid = [[entrants[name][problem] for problem in problems] for name in names]
    found = across(
        [[row.value.mean if row.value else np.nan for row in of] for of in grid],
        better=better,
        ranks=[[np.nan if row.rank is None else row.rank for row in of] for of in grid],
        entrants=[" / ".join(name) for name in names],
        tasks=[problem.title for problem in problems],
    )
    numbers: list[dict[str, Any]] = [{} for _ in names]
    _fill(numbers, "rank", found.rank)
    if found.win_rate is not None:  # there are others to be compared with
        _fill(numbers, "win_rate", found.win_rate)
        if len(names) <= ELO_MOST and rated(better):
            _fill(numbers, "elo", elo(better))
        _fill(numbers, "improvability", found.improvability)
    return numbers


def _fill(numbers: Sequence[dict[str, Any]], name: str, found: Spread) -> None:
    for key, values in (
        (name, found.value),
        (f"{name}_low", found.low),
        (f"{name}_high", found.high),
    ):
        for i, of_entrant in enumerate(numbers):
            of_entrant[key] = None if values is None else float(values[i])


def _of_entrant(found: Mapping[Problem, Row], problems: Sequence[Problem]) -> Overall:
    there = {p: row for p, row in found.items() if row.complete and row.value is not None}
    missing = tuple(problem.title for problem in problems if problem not in there)
    one = next(iter(found.values()))
    values = [row.value for row in there.values() if row.value is not None]
    bounds = {BOUNDS.get(problem.metric) for problem in problems}
    return Overall(
        modality=one.problem.modality,
        backbone=one.backbone,
        method=one.method,
        metric=" / ".join(sorted({problem.metric for problem in problems})),
        value=None if missing else combine(values, bounds.pop() if len(bounds) == 1 else None),
        tasks=len(there),
        missing=missing,
        run_ids=tuple(run for problem in sorted(there) for run in there[problem].run_ids),
    )


def _order(row: Overall) -> tuple[bool, float, str, str]:
    mean = row.value.mean if row.value else 0.0
    return (row.value is None, -mean, row.backbone, row.method)
