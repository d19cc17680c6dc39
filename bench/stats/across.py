"""Across tasks: mean, mean rank, win rate and improvability, with tasks resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit

from bench.stats.anova import FLAT, Values
from bench.stats.components import ALPHA
from bench.stats.intervals import Bounds, length, none_in

Better: TypeAlias = NDArray[np.bool_]

FEWEST = 5
"""Tasks below which no interval over tasks is given: four give 35 different resamples."""

RESAMPLES = 5_000
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Spread:
    """A statistic of each of E entrants, `(E,)`, and its 95 % interval over tasks.

    `low` and `high` are None where there are fewer than `FEWEST` tasks: an interval over
    so few says nothing of another task.
    """

    value: Values
    low: Values | None
    high: Values | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """What E entrants did over T tasks; `win_rate` is None where there is one entrant."""

    mean: Spread
    rank: Spread
    win_rate: Spread | None
    improvability: Spread
    tasks: int


def across(
    values: ArrayLike,
    *,
    better: ArrayLike | None = None,
    ranks: ArrayLike | None = None,
    bounds: Bounds | None = None,
    entrants: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seed: int = 0,
) -> Across:
    """Sum up `(E, T)` main metrics, where more is better and 1 is perfect; NaN is a hole.

    `better` `(T, E, E)` says whether entrant i is better than j on a task, and neither is
    a tie; from `Pairwise.better` ties are what is not shown to differ, and without it
    they are equal values. `ranks` `(E, T)` are 1 plus the entrants that are better, ties
    half (as scipy's `rankdata`), unless they are given. `bounds` are the metric's.
    `entrants` and `tasks` are names for the refusal.

    Raises:
        ValueError: if a cell is a hole, naming it, a value is above 1 or has no place,
            or shapes do not agree. Nothing is imputed.
    """
    x = complete(values, entrants, tasks)
    count, of = x.shape
    won = wins(_at_once(x) if better is None else better, of, count)
    by_task = won.sum(axis=2).T - 0.5  # an entrant ties with itself
    placed = count - by_task if ranks is None else complete(ranks, entrants, tasks)
    if placed.shape != x.shape:
        raise ValueError(f"ranks must be {x.shape} as the values are, not {placed.shape}")
    rate = over_tasks(by_task / (count - 1), (0.0, 1.0), seed) if count > 1 else None
    return Across(
        mean=over_tasks(x, bounds, seed),
        rank=over_tasks(placed, (1.0, float(max(count, placed.max()))), seed),
        win_rate=rate,
        improvability=over_tasks(improvability(x), (0.0, 1.0), seed),
        tasks=of,
    )


def wins(better: ArrayLike, tasks: int, entrants: int) -> Values:
    """1 where i is better than j, 0 where it is worse, and a half for a tie: `(T, E, E)`.

    Raises:
        ValueError: if the shape is another, or two are better than each other.
    """
    first = np.asarray(better, dtype=np.bool_)
    if first.shape != (tasks, entrants, entrants):
        raise ValueError(
            f"better must be (tasks, entrants, entrants), {(tasks, entrants, entrants)},"
            f" not {first.shape}"
        )
    second = first.transpose(0, 2, 1)
    if (first & second).any():
        raise ValueError("better says of two entrants that each is better than the other")
    found: Values = (1.0 + first - second) / 2
    return found


def improvability(values: Values) -> Values:
    """By how much of its error the best entrant of a task is better: `(E, T)`, 0 for the best.

    (error - best error) / error with error = 1 - metric, and 0 where an error is 0: the
    definition of TabArena (Erickson et al., TabArena: A Living Benchmark for Machine
    Learning on Tabular Data, 2025; `compute_improvability_per` of bencheval 0.1.0).

    Raises:
        ValueError: if a value is above 1, where there is no error.
    """
    if (values > 1 + FLAT * values.size).any():
        raise ValueError("improvability needs metrics of 1 at most: the error is 1 - metric")
    error = np.maximum(1 - values, 0.0)
    best = error.min(axis=0)
    found: Values = np.divide(error - best, error, out=np.zeros_like(error), where=error > 0)
    return found


def over_tasks(by_task: Values, bounds: Bounds | None = None, seed: int = 0) -> Spread:
    """Means over tasks of `(E, T)`, with intervals from resampling tasks, not their values.

    The quantiles of the bootstrap are the expanded ones of Hesterberg (What Teachers
    Should Know About the Bootstrap, The American Statistician 69, 2015), which are those
    of Student's t and of a variance with T - 1: in simulations they cover 89 to 93 % at 5
    tasks and 92 to 95 % at 8, where plain quantiles cover 80 to 85 and 86 to 91 %
    (docs/adr/0007-across-tasks.md). All entrants see the same
    resamples. The noise that a value has within its task is in the differences between
    tasks, and so in the interval.

    Where all tasks say the same, the interval reaches as far as what T tasks have not
    shown (`none_in`, as in `two_way`) times the length of `bounds`.
    """
    mean = by_task.mean(axis=1)
    tasks = by_task.shape[1]
    if tasks < FEWEST:
        return Spread(mean, None, None)
    draws = resamples(tasks, RESAMPLES, seed) @ by_task.T / tasks
    low, high = expanded(draws, tasks)
    size = np.maximum(np.abs(by_task).max(axis=1), 1.0)
    same = np.ptp(by_task, axis=1) <= FLAT * size
    reach = none_in(tasks) * length(bounds)
    low, high = np.where(same, mean - reach, low), np.where(same, mean + reach, high)
    if bounds:
        low, high = np.maximum(low, bounds[0]), np.minimum(high, bounds[1])
    return Spread(mean, np.minimum(low, mean), np.maximum(high, mean))


def resamples(tasks: int, count: int, seed: int) -> Values:
    """How often each task is in each of `count` resamples of all tasks: `(count, T)`."""
    rng = np.random.default_rng(seed)
    found: Values = rng.multinomial(tasks, np.full(tasks, 1 / tasks), count).astype(np.float64)
    return found


def expanded(draws: Values, tasks: int) -> tuple[Values, Values]:
    """Hesterberg's expanded quantiles of a statistic's bootstrap `(resamples, E)`."""
    reach = stdtrit(tasks - 1, 1 - ALPHA / 2) * np.sqrt(tasks / (tasks - 1))
    tail = float(ndtr(-reach))
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def complete(
    values: ArrayLike, entrants: Sequence[str] | None = None, tasks: Sequence[str] | None = None
) -> Values:
    """`(E, T)` float64 without a hole.

    Raises:
        ValueError: naming what is missing.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"values must be (entrants, tasks) and not empty; they are {x.shape}")
    holes = np.argwhere(~np.isfinite(x))
    if len(holes):
        named = [
            f"{_name(entrants, i, 'entrant')} on {_name(tasks, j, 'task')}"
            for i, j in holes[:_NAMED].tolist()
        ]
        more = f" and {len(holes) - _NAMED} more" if len(holes) > _NAMED else ""
        raise ValueError(
            f"{len(holes)} of {x.size} cells are missing: {', '.join(named)}{more};"
            " leave the entrant or the task out, or run what is missing"
        )
    return x


def _name(names: Sequence[str] | None, at: int, word: str) -> str:
    return names[at] if names is not None else f"{word} {at}"


def _at_once(x: Values) -> Better:
    """Whether i has a higher value than j on a task: `(T, E, E)`."""
    found: Better = x.T[:, :, None] > x.T[:, None, :]
    return found
