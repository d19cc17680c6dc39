"""Which entrants are worth a look: dominance in several dimensions, beyond noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.across import Better
from bench.stats.anova import Values

TOLERANCE = 0.05
"""Relative difference from which a cost counts. A choice and not a measurement: costs have no
interval, and one run says nothing of how much the next would differ."""


def less(costs: ArrayLike, tolerance: float = TOLERANCE) -> Better:
    """Whether i costs less than j beyond the tolerance, `(E, E)`; NaN is not compared.

    Less means that j's cost is more than `1 + tolerance` times i's.

    Raises:
        ValueError: if a cost or the tolerance is negative.
    """
    cost = np.asarray(costs, dtype=np.float64)
    if cost.ndim != 1 or (cost < 0).any() or tolerance < 0:
        raise ValueError("costs must be (E,) and, as the tolerance, not negative")
    found: Better = cost[None, :] > cost[:, None] * (1 + tolerance)
    return found


def dominance(better: Sequence[ArrayLike]) -> Better:
    """Whether i dominates j, `(E, E)`, from one `(E, E)` for each dimension: i is shown better.

    i dominates j where j is shown better in no dimension, and i in one at least. That is
    irreflexive and asymmetric, but not transitive: what is not shown to differ is no
    equality.

    Raises:
        ValueError: if there is no dimension, shapes do not agree, or two entrants are each
            better than the other in one dimension.
    """
    found = [np.asarray(one, dtype=np.bool_) for one in better]
    if not found:
        raise ValueError("dominance needs a dimension at least")
    shape = (len(found[0]), len(found[0]))
    for one in found:
        if one.shape != shape:
            raise ValueError(f"every dimension must be (E, E), {shape}, not {one.shape}")
        if (one & one.T).any():
            raise ValueError("a dimension says of two entrants that each is better")
    somewhere = np.logical_or.reduce(found)
    dominates: Better = somewhere & ~somewhere.T
    return dominates


def front(dominates: ArrayLike) -> NDArray[np.bool_]:
    """Entrants `(E,)` that none on the front dominates, from `dominance`.

    The stable set of von Neumann and Morgenstern (Theory of Games, 1944): none on the
    front dominates another there, and each that is off it is dominated by one on it. To
    be dominated by what is itself off the front counts for nothing, because dominance is
    not transitive: a is no substitute for c where a beats b and b beats c by a hair each.
    Without noise this is the Pareto front.

    Three or more may dominate each other in a circle; where nothing on the front breaks
    it, all of them are on the front, so that it is never empty.
    """
    given = np.asarray(dominates, dtype=np.bool_)
    on = np.zeros(len(given), dtype=np.bool_)
    left = np.ones(len(given), dtype=np.bool_)
    while left.any():
        here = given & left[:, None] & left
        first = left & ~here.any(axis=0)
        if not first.any():
            first = left & _first_circles(here)
        on |= first
        left &= ~first & ~given[first].any(axis=0)
    return on


def _first_circles(dominates: Better) -> NDArray[np.bool_]:
    """Members of circles that nothing outside of the circle dominates, even in steps."""
    reach: Values = dominates.astype(np.float64)
    while True:
        further = ((reach + reach @ reach) > 0).astype(np.float64)
        if (further == reach).all():
            break
        reach = further
    above = (reach > 0) & ~(reach.T > 0)
    return np.logical_not(np.asarray(above.any(axis=0)))
