"""All paired comparisons among the entrants of one task, at once.

The same tests as `compare`, over all pairs by matrix products: 160 entrants are
12,720 pairs, which one at a time take seconds a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.anova import Values, binary, matrix
from bench.stats.components import ALPHA, Components
from bench.stats.paired import compare, equal, mcnemar_bounds, p_mcnemar

Pairs: TypeAlias = tuple[NDArray[np.intp], ...]
_ROUNDING = 1e-11
"""Sums of squares are differences of products here: below this share of them, they are 0."""


@dataclass(frozen=True, slots=True)
class Pairwise:
    """`difference[i, j]` is the mean of entrant i minus that of j, all `(E, E)`.

    `low` and `high` are its 95 % interval and `p` is two-sided, all unadjusted.
    `sees` is the smallest difference that a single comparison at 5 % shows with a
    probability of 80 % (`Components.sees`), of the median pair. Pairs without any
    difference count for nothing; None where there are no others.
    """

    difference: Values
    low: Values
    high: Values
    p: Values
    sees: float | None

    def better(self, alpha: float = ALPHA) -> NDArray[np.bool_]:
        """Whether i is shown better than j, each pair at `alpha` by itself: `(E, E)`.

        Not adjusted for the number of pairs: a false difference is as often for i as for
        j, and Holm over all pairs hardly shows any (docs/adr/0003-intervals.md).
        """
        found: NDArray[np.bool_] = (self.p < alpha) & (self.difference > 0)
        return found


def pairwise(entrants: Sequence[ArrayLike]) -> Pairwise:
    """Compare E entrants' `(D, N)` values, matched by draw and item: `(E, E)` each.

    Raises:
        ValueError: if the entrants' shapes differ, or values are ragged, NaN or Inf.
    """
    rows = [matrix(entrant) for entrant in entrants]
    if not rows:
        none = np.zeros((0, 0))
        return Pairwise(none, none, none, none, None)
    if len({row.shape for row in rows}) > 1:
        raise ValueError("entrants must share draws and test items to be compared")
    x = np.stack(rows)
    _, draws, items = x.shape
    mean = x.mean(axis=(1, 2))
    difference = mean[:, None] - mean[None, :]
    pairs = np.triu_indices(len(x), k=1)
    of_pair = difference[pairs]
    parts, same = _components(x, pairs)
    if draws == 1 and binary(x):
        hits = x[:, 0, :]
        gained = np.rint(hits @ (1 - hits).T)
        p = p_mcnemar(gained[pairs], gained.T[pairs])
        low, high = mcnemar_bounds(gained[pairs], gained.T[pairs], items)
    else:
        p_same, half_same = equal(of_pair, items)
        half = np.where(same, half_same, parts.half())
        p = np.where(same, p_same, parts.p(of_pair))
        low, high = of_pair - half, of_pair + half
    sizes = np.asarray(parts.sees())[~same]
    alone = compare(x[0], x[0])  # an entrant and itself
    return Pairwise(
        difference=difference,
        low=_square(len(x), low, -high, alone.low),
        high=_square(len(x), high, -low, alone.high),
        p=_square(len(x), p, p, 1.0),
        sees=float(np.median(sizes)) if sizes.size else None,
    )


def _components(x: Values, pairs: Pairs) -> tuple[Components, NDArray[np.bool_]]:
    """Variances of the mean difference of each pair, and which pairs differ equally everywhere."""
    _, draws, items = x.shape
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    centred -= centred.mean(axis=0)  # what all share cancels in each pair: less to round away
    total, size = _distances(centred.reshape(len(x), -1), pairs)
    of_draw = items * _distances(centred.mean(axis=2), pairs)[0]
    of_item = draws * _distances(centred.mean(axis=1), pairs)[0]
    rest = np.maximum(total - of_draw - of_item, 0.0)
    residual = rest / max((draws - 1) * (items - 1), 1) if draws > 1 else np.zeros_like(total)
    count = draws * items
    parts = Components(
        draw=of_draw / max(draws - 1, 1) / count if draws > 1 else np.zeros_like(total),
        item=np.maximum(of_item / max(items - 1, 1) - residual, 0.0) / count,
        noise=residual / count,
        df_draw=draws - 1.0,
        df_item=items - 1.0,
    )
    return parts, total <= _ROUNDING * np.maximum(size, 1.0)


def _distances(rows: Values, pairs: Pairs) -> tuple[Values, Values]:
    """Squared distances between rows of each pair, and the size of what they are differences of."""
    products = rows @ rows.T
    norms = np.diag(products)
    sums = norms[pairs[0]] + norms[pairs[1]]
    return np.maximum(sums - 2 * products[pairs], 0.0), sums


def _square(entrants: int, upper: Values, lower: Values, alone: float) -> Values:
    """A matrix from what its upper triangle, its lower one (turned over) and its diagonal hold."""
    found = np.full((entrants, entrants), alone)
    pairs = np.triu_indices(entrants, k=1)
    found[pairs] = upper
    found.T[pairs] = lower
    return found
