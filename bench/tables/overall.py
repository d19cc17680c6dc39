"""Across tasks: means over a complete grid, and a refusal where the grid has holes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from bench.stats import Estimate, combine
from bench.tables.problem import Problem
from bench.tables.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """One entrant (backbone, method) over all tasks of a modality.

    `value` is the mean of the main metrics (`metric` names them all) and `rank` the mean
    rank; both are None where the entrant is not complete in every task: what is `missing`
    is named, and a mean over the rest would compare different tasks.
    """

    modality: str
    backbone: str
    method: str
    metric: str
    value: Estimate | None
    rank: float | None
    tasks: int
    missing: tuple[str, ...]
    run_ids: tuple[str, ...]


def overall(rows: Iterable[Row]) -> list[Overall]:
    """One list per modality that has two tasks or more, best mean first, incomplete ones last."""
    by_modality: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.control is None:
            by_modality[row.problem.modality].append(row)
    found = []
    for _, of_modality in sorted(by_modality.items()):
        problems = sorted({row.problem for row in of_modality})
        if len(problems) > 1:
            found += _of_modality(of_modality, problems)
    return found


def _of_modality(rows: list[Row], problems: list[Problem]) -> list[Overall]:
    entrants: dict[tuple[str, str], dict[Problem, Row]] = defaultdict(dict)
    for row in rows:
        entrants[row.backbone, row.method][row.problem] = row
    return sorted((_of_entrant(found, problems) for found in entrants.values()), key=_order)


def _of_entrant(found: dict[Problem, Row], problems: list[Problem]) -> Overall:
    there = {p: row for p, row in found.items() if row.complete and row.value is not None}
    missing = tuple(problem.title for problem in problems if problem not in there)
    one = next(iter(found.values()))
    values = [row.value for row in there.values() if row.value is not None]
    ranks = [row.rank for row in there.values() if row.rank is not None]
    return Overall(
        modality=one.problem.modality,
        backbone=one.backbone,
        method=one.method,
        metric=" / ".join(sorted({problem.metric for problem in problems})),
        value=None if missing else combine(values),
        rank=None if missing else fmean(ranks),
        tasks=len(there),
        missing=missing,
        run_ids=tuple(run for problem in sorted(there) for run in there[problem].run_ids),
    )


def _order(row: Overall) -> tuple[bool, float, str, str]:
    mean = row.value.mean if row.value else 0.0
    return (row.value is None, -mean, row.backbone, row.method)
