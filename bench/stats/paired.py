"""One paired comparison: two sets of values on the same draws and the same test items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from bench.stats.anova import FLAT, Values, binary, flat, matrix
from bench.stats.components import ALPHA, Components
from bench.stats.intervals import Covers, none_in, two_way

Z = 1.959963984540054
"""Normal quantile of 97.5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`a - b`: the mean difference, its 95 % interval, and the two-sided p value of no difference.

    p is the alpha at which the interval just touches 0, so the two agree; but with one
    draw of 0/1 values it is exact, the interval is an approximation, and p decides.
    `parts` are the variances of the difference as `two_way` has them.
    """

    difference: float
    low: float
    high: float
    p: float
    draws: int
    items: int
    covers: Covers
    parts: Components

    @property
    def significant(self) -> bool:
        """Whether p is below 5 % (one comparison; use `holm` for many)."""
        return self.p < ALPHA


def compare(a: ArrayLike, b: ArrayLike) -> Comparison:
    """Compare `(D, N)` per-item values, paired per draw and per item.

    Two or more draws: the two-way interval of the differences, and its p (`Components`).
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
    low, high = found.low, found.high
    if flat(differences):
        p, half = equal(np.asarray(found.mean), found.items)
        low, high = found.mean - float(half), found.mean + float(half)
    else:
        p = found.parts.p(found.mean)
    return Comparison(
        difference=found.mean,
        low=low,
        high=high,
        p=float(p),
        draws=found.draws,
        items=found.items,
        covers=found.covers,
        parts=found.parts,
    )


def p_mcnemar(gained: Values, lost: Values) -> Values:
    """McNemar's exact two-sided p from the counts of items that one alone has right.

    Source: the sign test on discordant pairs (McNemar, Psychometrika 12, 1947).
    """
    fewer, both = np.minimum(gained, lost), gained + lost
    p: Values = np.minimum(2 * np.asarray(bdtr(fewer, both.astype(np.int64), 0.5)), 1.0)
    return p


def equal(difference: Values, items: int) -> tuple[Values, Values]:
    """p, and half the interval, where every item differs by the same amount: no t can be had.

    The interval reaches as far as one unit that N items have not shown (`none_in`), p is
    the alpha at which it touches 0, and never less than that of the sign test on N items;
    where that cannot show a difference, the interval reaches 0.
    """
    distance = np.where(np.abs(difference) <= FLAT, 0.0, np.abs(difference))
    sign_test = 2.0 ** (1 - items)
    p = np.minimum(np.maximum(2 * np.maximum(1 - distance, 0.0) ** items, sign_test), 1.0)
    half = np.full_like(distance, none_in(items))
    return p, np.maximum(half, distance) if sign_test >= ALPHA else half


def mcnemar_bounds(gained: Values, lost: Values, items: int) -> tuple[Values, Values]:
    """95 % interval of the difference of two shares of the same items (Bonett & Price, 2012)."""
    up, down = (gained + 1) / (items + 2), (lost + 1) / (items + 2)
    half = Z * np.sqrt((up + down - (up - down) ** 2) / (items + 2))
    return np.maximum(up - down - half, -1.0), np.minimum(up - down + half, 1.0)


def _mcnemar(a: Values, b: Values) -> Comparison:
    items = len(a)
    gained, lost = (np.asarray(((x == 1) & (y == 0)).sum(), float) for x, y in ((a, b), (b, a)))
    low, high = mcnemar_bounds(gained, lost, items)
    return Comparison(
        difference=float(gained - lost) / items,
        low=float(low),
        high=float(high),
        p=float(p_mcnemar(gained, lost)),
        draws=1,
        items=items,
        covers=Covers.ITEMS,
        parts=two_way((a - b)[None]).parts,
    )
