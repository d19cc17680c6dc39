"""Which training items a draw labels: pure functions of the targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.core.identity import generator
from bench.core.suite import Sampling, TrainRule

Indices = NDArray[np.int64]

MTEB_SEED = 42
"""mteb's `AbsTaskClassification` shuffles with a fresh RandomState(42) in each experiment."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw: the labelled items, and beyond them `extra` ones for validation alone.

    `capped` names classes that had fewer items than asked for, with what they had.
    """

    labelled: Indices
    extra: Indices
    capped: Mapping[int, int] = field(default_factory=dict)


def draw_items(targets: NDArray[np.int64], rule: TrainRule, draw: int) -> Draw:
    """Choose the labelled items of draw number `draw` (from 0) out of `targets` `(n,)`.

    The choice depends on the draw's number, the rule and the targets alone, so
    every backbone and method meets the same items (comparisons are paired).
    """
    n = len(targets)
    if rule.sampling is Sampling.MTEB:
        order = _mteb_order(n, draw)
    else:
        order = generator("draw", n, draw).permutation(n).astype(np.int64)
    capped: dict[int, int] = {}
    if rule.per_class is not None:
        rank = _rank_in_class(targets[order])
        labelled = order[rank < rule.per_class]
        counts = np.bincount(targets)
        capped = {int(c): int(m) for c, m in enumerate(counts) if 0 < m < rule.per_class}
    elif rule.size is not None:
        labelled = order[: rule.size]
    else:
        labelled = np.arange(n, dtype=np.int64)
    rest = order[~np.isin(order, labelled)]
    return Draw(labelled=labelled, extra=rest[: rule.validation_extra], capped=capped)


def shuffle_targets(targets: NDArray[np.int64], draw: int) -> NDArray[np.int64]:
    """The shuffled-labels control: a permutation of the targets, the same for every method."""
    return generator("shuffle", len(targets), draw).permutation(targets)


def _mteb_order(n: int, draw: int) -> Indices:
    """The order of experiment `draw`: one list shuffled in place `draw + 1` times."""
    order = np.arange(n, dtype=np.int64)
    for _ in range(draw + 1):
        np.random.RandomState(MTEB_SEED).shuffle(order)
    return order


def _rank_in_class(classes: NDArray[np.int64]) -> Indices:
    """For each position, how many earlier positions hold the same class."""
    by_class = np.argsort(classes, kind="stable")
    sorted_classes = classes[by_class]
    starts = np.searchsorted(sorted_classes, sorted_classes, side="left")
    rank = np.empty(len(classes), dtype=np.int64)
    rank[by_class] = np.arange(len(classes)) - starts
    return rank
