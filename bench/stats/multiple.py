"""Many tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p values `(m,)`: rejecting those below alpha keeps the family's error below alpha.

    Step-down Bonferroni (Holm, Scandinavian Journal of Statistics 6, 1979).

    Raises:
        ValueError: if `p` is not one-dimensional, or holds what is no probability.
    """
    given = np.asarray(p, dtype=np.float64)
    if given.ndim != 1 or not ((given >= 0) & (given <= 1)).all():
        raise ValueError("p values must be a (m,) array of numbers from 0 to 1")
    order = np.argsort(given, kind="stable")
    steps = np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * steps), 1.0)
    return adjusted
