"""Ranks in which differences that are not shown are ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.stats.components import ALPHA
from bench.stats.multiple import holm
from bench.stats.pairwise import Pairwise


def ranks(found: Pairwise, alpha: float = ALPHA) -> NDArray[np.int64]:
    """Ranks `(E,)` from 1: one more than the number of entrants that are shown to be better.

    Shown: p below `alpha` after Holm over all pairs, so that with probability 1 - `alpha`
    nobody at all is ranked below an entrant that is no better: a rank is the lower end of
    a confidence interval for the true one, for all entrants at the same time (Mogstad,
    Romano, Shaikh and Wilhelm, Inference for ranks, Review of Economic Studies 91, 2024;
    there with bootstrapped quantiles). Two entrants of one rank may still differ: a tie is
    not transitive, and somebody with a wide interval may share the rank of the best.
    """
    entrants = len(found.p)
    pairs = np.triu_indices(entrants, k=1)
    shown = np.zeros((entrants, entrants), dtype=np.bool_)
    shown[pairs] = holm(found.p[pairs]) < alpha
    better = (shown | shown.T) & (found.difference > 0)
    above: NDArray[np.int64] = better.sum(axis=0)
    return above + 1
