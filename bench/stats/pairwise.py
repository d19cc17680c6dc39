"""All paired comparisons among the entrants of one task, at once.

The same tests as `compare`, over all pairs by matrix products: 160 entrants are
12,720 pairs, which one at a time take seconds a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.anova import Values, binary, matrix, mean_variance
from bench.stats.paired import p_equal, p_mcnemar, p_t

_ROUNDING = 1e-11
"""Sums of squares are differences of products here: below this share of them, they are 0."""


@dataclass(frozen=True, slots=True)
class Pairwise:
    """`difference[i, j]` is the mean of entrant i minus that of j; `p` is two-sided, unadjusted."""

    difference: Values
    p: Values


def pairwise(entrants: Sequence[ArrayLike]) -> Pairwise:
    """Compare E entrants' `(D, N)` values, matched by draw and item: `(E, E)` each.

    Raises:
        ValueError: if the entrants' shapes differ, or values are ragged, NaN or Inf.
    """
    rows = [matrix(entrant) for entrant in entrants]
    if not rows:
        return Pairwise(np.zeros((0, 0)), np.ones((0, 0)))
    if len({row.shape for row in rows}) > 1:
        raise ValueError("entrants must share draws and test items to be compared")
    x = np.stack(rows)
    mean = x.mean(axis=(1, 2))
    difference = mean[:, None] - mean[None, :]
    if x.shape[1] == 1 and binary(x):
        flat = x[:, 0, :]
        gained = np.rint(flat @ (1 - flat).T)
        return Pairwise(difference, p_mcnemar(gained, gained.T))
    return Pairwise(difference, _t_tests(x, difference))


def _t_tests(x: Values, difference: Values) -> Values:
    _, draws, items = x.shape
    centred = x - x.mean(axis=(1, 2), keepdims=True)
    centred -= centred.mean(axis=0)  # what all share cancels in each pair: less to round away
    total, noise = _distances(centred.reshape(len(x), -1))
    of_draw = items * _distances(centred.mean(axis=2))[0]
    of_item = draws * _distances(centred.mean(axis=1))[0]
    residual = np.maximum(total - of_draw - of_item, 0.0)
    inner = max((draws - 1) * (items - 1), 1)
    variance = mean_variance(
        of_draw / max(draws - 1, 1),
        of_item / max(items - 1, 1),
        residual / inner if draws > 1 else np.zeros_like(total),
        count=draws * items,
    )
    equal = total <= _ROUNDING * np.maximum(noise, 1.0)
    df = draws - 1 if draws > 1 else items - 1
    t = difference / np.sqrt(np.where(equal, 1.0, variance))
    p: Values = np.where(equal, p_equal(difference, items), p_t(t, df))
    return p


def _distances(rows: Values) -> tuple[Values, Values]:
    """Squared distances between rows `(E, E)`, and the size of what they are differences of."""
    products = rows @ rows.T
    norms = np.diag(products)
    sums = norms[:, None] + norms[None, :]
    return np.maximum(sums - 2 * products, 0.0), sums
