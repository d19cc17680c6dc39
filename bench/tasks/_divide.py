"""Fixed divisions of a pool into train and test: pure functions, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.identity import generator

Indices = NDArray[np.int64]

ORDERS_TRIED = 100
"""Fixed orders of groups that `by_group` tries until every class stands on both sides."""


@dataclass(frozen=True, slots=True)
class Division:
    """Positions in the pool; where a generator made them, a prefix of either is a random sample."""

    train: Indices
    test: Indices


def stratified(targets: NDArray[np.int64], share: float) -> Division:
    """Give `share` of each class of `targets` `(n,)` to test.

    Counts are rounded; a class of two or more has at least one item on each side, and a
    class of one stays in train.
    """
    n = len(targets)
    order = generator("divide", "stratified", n).permutation(n).astype(np.int64)
    in_test = np.zeros(n, dtype=np.bool_)
    for target in np.unique(targets):
        members = order[targets[order] == target]
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        in_test[members[:count]] = True
    return Division(train=order[~in_test[order]], test=order[in_test[order]])


def by_group(groups: NDArray[np.int64], targets: NDArray[np.int64], share: float) -> Division:
    """Give whole groups to test, as many as come nearest to `share` of the items.

    `groups` and `targets` are `(n,)`.  Groups are taken in a fixed random order; the
    first of `ORDERS_TRIED` orders that puts every class on both sides is used, and the
    first of all where none does.  With one group alone, test is empty.
    """
    ids, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    everything = len(np.unique(targets))
    in_test = np.zeros(len(groups), dtype=np.bool_)
    for attempt in range(ORDERS_TRIED):
        order = generator("divide", "by-group", len(groups), attempt).permutation(len(ids))
        reached = np.cumsum(sizes[order])
        count = int(np.argmin(np.abs(reached - share * len(groups)))) + 1
        chosen = order[: min(count, len(ids) - 1)]
        trial = np.isin(group, chosen)
        if attempt == 0:
            in_test = trial
        both = (len(np.unique(targets[trial])), len(np.unique(targets[~trial])))
        if both == (everything, everything):
            in_test = trial
            break
    order = generator("divide", "by-group", len(groups)).permutation(len(groups)).astype(np.int64)
    return Division(train=order[~in_test[order]], test=order[in_test[order]])


def latest(times: NDArray[Any], share: float) -> Division:
    """Give the latest `share` of the items to test; items of one moment stay on one side.

    `times` `(n,)` is anything that sorts.  The boundary is the moment at which test comes
    nearest to `share`; with one moment alone, test is empty.
    """
    moments, moment, sizes = np.unique(times, return_inverse=True, return_counts=True)
    after = np.cumsum(sizes[::-1])[::-1]  # items at or after each moment
    start = int(np.argmin(np.abs(after - share * len(times)))) if len(moments) > 1 else 1
    in_test = moment >= max(start, 1)
    positions = np.argsort(times, kind="stable").astype(np.int64)
    return Division(train=positions[~in_test[positions]], test=positions[in_test[positions]])
