"""One paired comparison: two sets of values on the same draws and the same test items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, stdtr

from bench.stats.anova import FLAT, Values, binary, flat, matrix
from bench.stats.intervals import LEVEL, Covers, Z, two_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`a - b`: the mean difference, its 95 % interval, and the two-sided p value of no difference.

    The p value decides: where it is exact (one draw) the interval is an approximation
    and may differ from it near the edge.
    """

    difference: float
    low: float
    high: float
    p: float
    draws: int
    items: int
    covers: Covers

    @property
    def significant(self) -> bool:
        """Whether p is below 5 % (one comparison; use `holm` for many)."""
        return self.p < 1 - LEVEL


def compare(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Compare `(D, N)` per-item values, paired per draw and per item.

    Two or more draws: the two-way t test on the differences, D - 1 degrees of freedom.
    One draw of 0/1 values: McNemar's exact test, with the interval of Bonett & Price
    (Journal of Educational and Behavioral Statistics 37, 2012), which has a width even
    where no item differs. One draw of other values: paired t over items.

    Raises:
        ValueError: if the shapes differ, or values are ragged, NaN or Inf.
    """
    first, second = matrix(a), matrix(b)
    if first.shape != second.shape:
        raise ValueError(
            f"paired values must share draws and items: {first.shape} and {second.shape}"
        )
    if len(first) == 1 and binary(first) and binary(second):
        return _mcnemar(first[0], second[0])
    differences = first - second
    found = two_way(differences)
    if flat(differences):
        p = p_equal(np.asarray(found.mean), found.items)
    else:
        p = p_t(np.asarray(found.mean / found.se), found.df)
    return Comparison(
        difference=found.mean,
        low=found.low,
        high=found.high,
        p=float(p),
        draws=found.draws,
        items=found.items,
        covers=found.covers,
    )


def p_t(t: Values, df: float) -> Values:
    """Two-sided p values of t statistics."""
    p: Values = np.asarray(2 * stdtr(df, -np.abs(t)))
    return p


def p_mcnemar(gained: Values, lost: Values) -> Values:
    """McNemar's exact two-sided p from the counts of items that one alone has right.

    Source: the sign test on discordant pairs (McNemar, Psychometrika 12, 1947).
    """
    fewer, both = np.minimum(gained, lost), gained + lost
    p: Values = np.minimum(2 * np.asarray(bdtr(fewer, both.astype(np.int64), 0.5)), 1.0)
    return p


def p_equal(difference: Values, items: int) -> Values:
    """p where every item differs by the same amount, so that no t can be had.

    1 for no difference, else that of the sign test on so many items.
    """
    p: Values = np.where(np.abs(difference) <= FLAT, 1.0, 2.0 ** (1 - items))
    return p


def _mcnemar(a: Values, b: Values) -> Comparison:
    items = len(a)
    gained, lost = float(((a == 1) & (b == 0)).sum()), float(((a == 0) & (b == 1)).sum())
    up, down = (gained + 1) / (items + 2), (lost + 1) / (items + 2)
    half = Z * float(np.sqrt((up + down - (up - down) ** 2) / (items + 2)))
    return Comparison(
        difference=(gained - lost) / items,
        low=max(up - down - half, -1.0),
        high=min(up - down + half, 1.0),
        p=float(p_mcnemar(np.asarray(gained), np.asarray(lost))),
        draws=1,
        items=items,
        covers=Covers.ITEMS,
    )
