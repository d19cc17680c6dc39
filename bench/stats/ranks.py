"""Ranks in which differences that are not shown are ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.stats.components import ALPHA
from bench.stats.multiple import holm
from bench.stats.pairwise import Pairwise


def tie_groups(found: Pairwise, alpha: float = ALPHA) -> NDArray[np.int64]:
    """Ranks `(E,)` from 1: one more than the number of entrants that are shown to be better.

    Better means: a higher mean, and p below `alpha` after Holm over all pairs of the task.
    Entrants of one rank may still differ from each other where the data are many (a tie
    is not transitive); what a rank says is how many beat this one.
    """
    upper = np.triu_indices(len(found.p), k=1)
    adjusted = np.ones_like(found.p)
    adjusted[upper] = holm(found.p[upper])
    adjusted.T[upper] = adjusted[upper]
    beaten = (adjusted < alpha) & (found.difference < 0)
    ranks: NDArray[np.int64] = 1 + beaten.sum(axis=1)
    return ranks
