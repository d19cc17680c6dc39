"""Intervals of a mean over draws and test items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, stdtrit

from bench.stats.anova import binary, flat, matrix, squares

LEVEL = 0.95
"""Coverage of every interval here."""

_TAIL = (1 - LEVEL) / 2
Z = 1.959963984540054
"""Normal quantile of 97.5 %."""

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

    `se` is the standard error; of an exact interval, its half width over the t
    quantile of `df`. `sd_draw` is None where one draw cannot tell.
    """

    mean: float
    low: float
    high: float
    se: float
    df: float
    draws: int
    items: int
    sd_draw: float | None
    sd_item: float
    covers: Covers


def two_way(values: ArrayLike, bounds: Bounds | None = None) -> Estimate:
    """Mean of `(D, N)` per-item values, the same N test items in each of D draws.

    Items are crossed with draws, so both ways count, with the t quantile of D - 1
    degrees of freedom. In simulations with 2 to 5 draws that covers 95 to 100 %: it is
    wide where items vary more than draws do. Satterthwaite's degrees of freedom are
    shorter there, but cover only 88 (2 draws) to 92 % (3) in between, and a nested
    bootstrap 78 to 82 %.
    With one draw the interval covers test items alone: exact (Clopper & Pearson, 1934)
    for 0/1 values, t with N - 1 degrees of freedom otherwise.

    No interval has width zero. Where all values are equal, or 0/1 values come nearer to
    0 or 1 than N items can resolve, it reaches as far as the exact interval of no
    event in N items, `1 - 0.025 ** (1 / N)` (about 3.7 / N: a two-sided rule of three),
    times the length of `bounds` where they are given.

    `bounds` are the metric's smallest and largest value: the interval is clipped there.
    0/1 values count as hits and misses under the bounds (0, 1), and not elsewhere:
    differences may be 0/1 by chance.

    Raises:
        ValueError: if `values` is ragged, empty, or holds NaN or Inf.
    """
    x = matrix(values)
    draws, items = x.shape
    mean, parts = float(x.mean()), squares(x)
    share = bounds == (0.0, 1.0) and binary(x)
    df = float(draws - 1 if draws > 1 else items - 1)
    quantile = float(stdtrit(max(df, 1.0), 1 - _TAIL))
    if draws == 1 and share:
        low, high = _clopper_pearson(round(mean * items), items)
        se = (high - low) / 2 / quantile
    elif flat(x):
        half = none_in(items) * (bounds[1] - bounds[0] if bounds else 1.0)
        low, high, se = mean - half, mean + half, half / quantile
    else:
        se = float(np.sqrt(parts.variance))
        low, high = mean - quantile * se, mean + quantile * se
        if share:
            low, high = _resolved(mean, low, high, none_in(items))
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(
        mean=mean,
        low=low,
        high=high,
        se=se,
        df=df,
        draws=draws,
        items=items,
        sd_draw=parts.sd_draw,
        sd_item=parts.sd_item,
        covers=Covers.BOTH if draws > 1 else Covers.ITEMS,
    )


def combine(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over tasks that are fixed: their variances add up, each with its own draws.

    Degrees of freedom after Satterthwaite (Biometrics Bulletin 2, 1946). The tasks are
    not a sample of tasks: the interval says nothing about a task that is not among them.

    Raises:
        ValueError: if there is no estimate.
    """
    if not estimates:
        raise ValueError("no estimates to combine")
    count = len(estimates)
    variances = np.array([e.se**2 for e in estimates])
    freedom = np.array([max(e.df, 1.0) for e in estimates])
    total = float(variances.sum())
    df = total**2 / float((variances**2 / freedom).sum()) if 0 < total < np.inf else 1.0
    se = float(np.sqrt(total)) / count
    mean = float(np.mean([e.mean for e in estimates]))
    half = float(stdtrit(df, 1 - _TAIL)) * se
    one_draw = any(e.draws == 1 for e in estimates)
    return Estimate(
        mean=mean,
        low=mean - half,
        high=mean + half,
        se=se,
        df=df,
        draws=min(e.draws for e in estimates),
        items=sum(e.items for e in estimates),
        sd_draw=None,
        sd_item=0.0,
        covers=Covers.ITEMS_TASKS_FIXED if one_draw else Covers.TASKS_FIXED,
    )


def none_in(items: int) -> float:
    """Upper end of the exact 95 % interval of a share that was never seen in `items`."""
    return float(1 - _TAIL ** (1 / items))


def _resolved(mean: float, low: float, high: float, edge: float) -> tuple[float, float]:
    """Widen the interval of a share that is nearer to 0 or 1 than its items can resolve."""
    if mean > 1 - edge:
        low = min(low, 1 - edge)
    if mean < edge:
        high = max(high, edge)
    return low, high


def _clopper_pearson(hits: int, items: int) -> tuple[float, float]:
    low = float(betaincinv(hits, items - hits + 1, _TAIL)) if hits else 0.0
    high = float(betaincinv(hits + 1, items - hits, 1 - _TAIL)) if hits < items else 1.0
    return low, high
