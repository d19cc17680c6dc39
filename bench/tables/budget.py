"""Equal budget: what each entrant had found after so many trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from bench.core.record import Record, Trial
from bench.tables.curves import Groups
from bench.tables.entrants import Group
from bench.tables.problem import Problem

Told: TypeAlias = Callable[[Record], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """Over draws, with the least and the most of a draw; a draw's seeds are averaged."""

    mean: float
    least: float
    most: float
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """After `trials` points of the search space, in the order in which they were tried.

    `validation` is the best score so far; None where settings were not chosen on data.
    `test` is of the draws whose choice so far is the setting that was fitted in the end:
    no other setting was ever tested. `seconds` are of the trials so far.
    """

    trials: int
    validation: Mean | None
    test: Mean | None
    seconds: Mean | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetCurve:
    """One entrant on one problem; `draws` succeeded, of a budget of so many trials."""

    problem: Problem
    backbone: str
    method: str
    budget: int
    draws: int
    steps: tuple[Step, ...]
    run_ids: tuple[str, ...]


def budget_curves(by_problem: Groups) -> list[BudgetCurve]:
    """A curve for each entrant with a success, in the order of the problems; no controls."""
    return [
        _curve(problem, group)
        for problem, groups in by_problem.items()
        for group in groups
        if group.control is None and group.succeeded
    ]


def best_after(trials: Sequence[Trial], count: int) -> Trial | None:
    """The trial that the first `count` would choose: the earliest of the best, failures aside."""
    done = [(trial.score, trial) for trial in trials[:count] if trial.score is not None]
    return max(done, key=lambda pair: pair[0])[1] if done else None


def _curve(problem: Problem, group: Group) -> BudgetCurve:
    records = group.succeeded
    most = max(1, *(len(record.trials) for record in records))
    return BudgetCurve(
        problem=problem,
        backbone=group.backbone,
        method=group.method,
        budget=max(record.trials_budget for record in records),
        draws=len({record.draw for record in records}),
        steps=tuple(_step(records, problem.metric, count) for count in range(1, most + 1)),
        run_ids=tuple(record.run_id for record in records),
    )


def _step(records: Sequence[Record], metric: str, count: int) -> Step:
    def validation(record: Record) -> float | None:
        best = best_after(record.trials, count)
        return None if best is None else best.score

    def test(record: Record) -> float | None:
        best = best_after(record.trials, count)
        if record.trials and (best is None or best.parameters != record.parameters):
            return None
        return record.metrics.get(metric)

    def seconds(record: Record) -> float | None:
        return sum(trial.seconds for trial in record.trials[:count]) if record.trials else None

    return Step(
        trials=count,
        validation=_over_draws(records, validation),
        test=_over_draws(records, test),
        seconds=_over_draws(records, seconds),
    )


def _over_draws(records: Iterable[Record], told: Told) -> Mean | None:
    by_draw: dict[int, list[float]] = {}
    for record in records:
        if (value := told(record)) is not None:
            by_draw.setdefault(record.draw, []).append(value)
    means = [fmean(values) for values in by_draw.values()]
    if not means:
        return None
    return Mean(mean=fmean(means), least=min(means), most=max(means), draws=len(means))
