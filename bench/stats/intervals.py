"""Intervals of a mean over draws and test items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from bench.stats.anova import Squares, Values, binary, flat, matrix, squares
from bench.stats.components import ALPHA, Components

_TAIL = ALPHA / 2

Bounds: TypeAlias = tuple[float, float]


class Covers(StrEnum):
    """What an interval is an interval over."""

    BOTH = "draws and test items"  # another training draw and other test items
    ITEMS = "test items only"  # one draw: how draws differ cannot be told
    TASKS_FIXED = "draws and test items; tasks fixed"  # the mean over these tasks, no others
    ITEMS_TASKS_FIXED = "test items only; tasks fixed"  # the same, where a task had one draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval.

    `parts` are the variances that the interval comes from, before it is clipped to the
    metric's bounds; those of an exact interval are what gives its longer side.
    `sd_draw` is None where one draw cannot tell.
    """

    mean: float
    low: float
    high: float
    parts: Components
    draws: int
    items: int
    sd_draw: float | None
    sd_item: float
    covers: Covers

    @property
    def se(self) -> float:
        """Standard error of the mean."""
        return float(np.sqrt(self.parts.variance))


SHARES: tuple[Bounds, ...] = ((0.0, 1.0), (-np.inf, 1.0))
"""Bounds of metrics that count hits where their values are 0/1: a transcript of one word, too."""


def two_way(values: ArrayLike, bounds: Bounds | None = None) -> Estimate:
    """Mean of `(D, N)` per-item values, the same N test items in each of D draws.

    Items are crossed with draws, so both ways count, each with a t quantile of its own:
    `Components` has the formula. In simulations with 2 to 10 draws that covers 95 to
    99 % (docs/adr/0003-intervals.md); a nested bootstrap covers 78 to 82 %.
    With one draw the interval covers test items alone: exact (Clopper & Pearson, 1934)
    for 0/1 values, t with N - 1 degrees of freedom otherwise.

    No interval has width zero. Where all values are equal, or 0/1 values come nearer to
    0 or 1 than N items can resolve, it reaches as far as the exact interval of no
    event in N items, `1 - 0.025 ** (1 / N)` (about 3.7 / N: a two-sided rule of three),
    times the length of `bounds` where they are given and finite.

    `bounds` are the metric's smallest and largest value: the interval is clipped there.
    0/1 values count as hits and misses under the bounds (0, 1) and (-inf, 1), and not elsewhere:
    differences may be 0/1 by chance.

    Raises:
        ValueError: if `values` is ragged, empty, or holds NaN or Inf.
    """
    x = matrix(values)
    draws, items = x.shape
    mean, found = float(x.mean()), squares(x)
    share = bounds in SHARES and binary(x)
    parts = components(found)
    half, least = float(parts.half()), _least(x, mean, bounds, share=share)
    if least > half:
        half, parts = least, Components.of_half(least, parts.df_item)
    low, high = mean - half, mean + half
    if draws == 1 and share:
        low, high = _clopper_pearson(round(mean * items), items)
        parts = Components.of_half(max(mean - low, high - mean), parts.df_item)
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(
        mean=mean,
        low=low,
        high=high,
        parts=parts,
        draws=draws,
        items=items,
        sd_draw=found.sd_draw,
        sd_item=found.sd_item,
        covers=Covers.BOTH if draws > 1 else Covers.ITEMS,
    )


def components(found: Squares) -> Components:
    """The mean squares of values as variances of their mean."""
    count = found.draws * found.items
    return Components(
        draw=found.draw / count,
        item=max(found.item - found.residual, 0.0) / count,
        noise=found.residual / count,
        df_draw=found.draws - 1.0,
        df_item=found.items - 1.0,
    )


def combine(estimates: Sequence[Estimate], bounds: Bounds | None = None) -> Estimate:
    """The mean over tasks that are fixed: the variances of each kind add up over the tasks.

    Those of draws, and those of items, have the degrees of freedom of Satterthwaite
    (Biometrics Bulletin 2, 1946): k tasks say more of the draws than one does. The tasks
    are not a sample of tasks: the interval says nothing about one that is not among them.
    It is clipped to `bounds`, those of every task's metric.

    Raises:
        ValueError: if there is no estimate.
    """
    if not estimates:
        raise ValueError("no estimates to combine")
    parts = [e.parts for e in estimates]
    draw = np.array([part.draw for part in parts])
    item = np.array([part.item for part in parts])
    noise = np.array([part.noise for part in parts])
    total = Components(
        draw=float(draw.sum()) / len(parts) ** 2,
        item=float(item.sum()) / len(parts) ** 2,
        noise=float(noise.sum()) / len(parts) ** 2,
        df_draw=_satterthwaite(draw, [part.df_draw for part in parts]),
        df_item=_satterthwaite(item + noise, [part.df_item for part in parts]),
    )
    mean = float(np.mean([e.mean for e in estimates]))
    half = float(total.half())
    low, high = (mean - half, mean + half)
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    one_draw = any(e.draws == 1 for e in estimates)
    return Estimate(
        mean=mean,
        low=low,
        high=high,
        parts=total,
        draws=min(e.draws for e in estimates),
        items=sum(e.items for e in estimates),
        sd_draw=None,
        sd_item=0.0,
        covers=Covers.ITEMS_TASKS_FIXED if one_draw else Covers.TASKS_FIXED,
    )


def _satterthwaite(variances: Values, freedom: Sequence[float]) -> float:
    """Degrees of freedom of a sum of variances; the fewest where all of them are 0."""
    largest = float(variances.max())
    if largest <= 0:
        return min(freedom)
    shares = variances / largest  # squares of what is very small would be 0
    return float(shares.sum() ** 2 / (shares**2 / np.maximum(freedom, 1.0)).sum())


def none_in(items: int) -> float:
    """Upper end of the exact 95 % interval of a share that was never seen in `items`."""
    return float(1 - _TAIL ** (1 / items))


def length(bounds: Bounds | None) -> float:
    """From a metric's smallest value to its largest; 1 where that is not known, or not finite."""
    found = bounds[1] - bounds[0] if bounds else 1.0
    return found if np.isfinite(found) else 1.0


def _least(x: Values, mean: float, bounds: Bounds | None, *, share: bool) -> float:
    """Half of the shortest interval that so many items can give."""
    edge = none_in(x.shape[1])
    if flat(x):
        return edge * length(bounds)
    return edge - min(mean, 1 - mean) if share else 0.0


def _clopper_pearson(hits: int, items: int) -> tuple[float, float]:
    low = float(betaincinv(hits, items - hits + 1, _TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, items - hits, 1 - _TAIL)) if hits < items else 1.0
    return low, high
