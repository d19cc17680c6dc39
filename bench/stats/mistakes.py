"""Where one set of predictions goes wrong, and where two do: counts and shares, nothing tuned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.stats.intervals import two_way

Classes = NDArray[np.int64]
Right = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """`count` items of class `true` were taken for `predicted`.

    `of_class` is their share of that class's items, `of_mistakes` of all mistakes.
    """

    true: int
    predicted: int
    count: int
    of_class: float
    of_mistakes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far the probabilities of one group of items can be trusted.

    `gap` is mean confidence minus accuracy: above 0 too sure, below 0 not sure enough. Its 95 %
    interval is over the items; None where there is one item alone.
    """

    group: int
    items: int
    confidence: float
    accuracy: float
    gap: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Items by who has them wrong: their numbers in test order, rising."""

    both_right: Classes
    only_first: Classes  # wrong in the first alone
    only_second: Classes
    both_wrong: Classes


def confusions(true: Classes, predicted: Classes) -> list[Confusion]:
    """The pairs of classes that were confused, the most frequent first."""
    wrong = np.flatnonzero(true != predicted)
    of_true = np.bincount(true)
    pairs, counts = np.unique(
        np.stack([true[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True
    )
    found = [
        Confusion(
            true=int(one),
            predicted=int(other),
            count=int(count),
            of_class=int(count) / int(of_true[one]),
            of_mistakes=int(count) / len(wrong),
        )
        for (one, other), count in zip(pairs, counts, strict=True)
    ]
    return sorted(found, key=lambda pair: (-pair.count, pair.true, pair.predicted))


def worst(true: Classes, predicted: Classes, confidence: NDArray[np.floating]) -> Classes:
    """Numbers of the mistaken items, the most confident first, equals in test order."""
    wrong = np.flatnonzero(true != predicted).astype(np.int64)
    order = np.argsort(-confidence[wrong].astype(np.float64), kind="stable")
    return np.asarray(wrong[order], dtype=np.int64)


def trust_by(groups: Classes, confidence: NDArray[np.floating], right: Right) -> list[Trust]:
    """Calibration of each group of items `(n,)`, those furthest from their confidence first."""
    found = [_trust(int(group), confidence, right, groups == group) for group in np.unique(groups)]
    return sorted(found, key=lambda one: (-abs(one.gap), one.group))


def overlap(first: Right, second: Right) -> Overlap:
    """Who has which items wrong.

    Raises:
        ValueError: if they are not of the same items.
    """
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} are not the same items")
    return Overlap(
        both_right=np.flatnonzero(first & second),
        only_first=np.flatnonzero(~first & second),
        only_second=np.flatnonzero(first & ~second),
        both_wrong=np.flatnonzero(~first & ~second),
    )


def _trust(group: int, confidence: NDArray[np.floating], right: Right, of: Right) -> Trust:
    sure, hit = confidence[of].astype(np.float64), right[of].astype(np.float64)
    low = high = None
    if len(sure) > 1:
        found = two_way((sure - hit)[None], (-1.0, 1.0))
        low, high = found.low, found.high
    return Trust(
        group=group,
        items=len(sure),
        confidence=float(sure.mean()),
        accuracy=float(hit.mean()),
        gap=float((sure - hit).mean()),
        low=low,
        high=high,
    )
