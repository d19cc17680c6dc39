"""Ranks in which differences that are not shown are ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.stats.anova import FLAT
from bench.stats.components import ALPHA
from bench.stats.multiple import holm
from bench.stats.pairwise import Pairwise


def tie_groups(found: Pairwise, alpha: float = ALPHA) -> NDArray[np.int64]:
    """Ranks `(E,)` from 1: the best and all that may be as good share one, then the next.

    Of rank 1 are the entrant with the highest mean and those that are not shown to be
    below it: p at least `alpha` after Holm over the comparisons with the best, which are
    the ones asked for (multiple comparisons with the best: Hsu, Annals of Statistics 12,
    1984; there for one variance and Dunnett's quantile, here by Holm). With the rest the
    same is done again, and a rank counts those above it. Where several have the highest
    mean, an entrant is below if it is shown to be below each of them.

    What a rank says: this entrant is shown not to be the best of those that are not
    ranked above it. Each step keeps its own error below `alpha`; two entrants of one rank
    may still differ (a tie is not transitive).
    """
    mean = found.difference.sum(axis=1)  # in the order of the entrants' means
    ranks = np.zeros(len(mean), dtype=np.int64)
    left = np.arange(len(mean))
    rank = 1
    while len(left):
        best = left[mean[left] >= mean[left].max() - FLAT * len(mean)]
        others = np.setdiff1d(left, best)
        below = np.ones(len(others), dtype=np.bool_)
        for one in best:
            below &= holm(found.p[one, others]) < alpha
        group = np.setdiff1d(left, others[below])
        ranks[group] = rank
        rank += len(group)
        left = others[below]
    return ranks
