"""Metrics as means of per-item values, so that one statistic serves them all.

For each metric, `item_values` gives `(n,)` float64 whose mean is the metric: the
0/1 hits for accuracy, and for metrics that are no plain mean (macro F1, kappa,
balanced accuracy) the first-order influence of each item added to the metric
(the infinitesimal jackknife; Efron & Tibshirani, An Introduction to the
Bootstrap, 1993, ch. 21).  Variances and paired differences over items and draws
are then the same computation for every metric.

In a class of one item every recall is 0 or 1, and no item would have an influence on it: to find
influences, not the metric, each class has two hits and two misses more than were seen (Agresti &
Coull, The American Statistician 52, 1998; docs/adr/0003-intervals.md has what it does).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UserError, did_you_mean

MORE_HITS, MORE_ITEMS = 2, 4
"""What a class has beyond what was seen, where influences are found."""

Classes = NDArray[np.int64]
Values = NDArray[np.float64]


class Counts:
    """One prediction, with the counts that several metrics are made of: each is made once.

    `true` and `predicted` are class ids `(n,)` below `k`.
    """

    def __init__(self, true: Classes, predicted: Classes, k: int) -> None:
        self.true, self.predicted, self.k = true, predicted, k

    @cached_property
    def hit(self) -> Values:
        """1 where an item's class was predicted, and else 0, `(n,)`."""
        found: Values = (self.true == self.predicted).astype(np.float64)
        return found

    @cached_property
    def of_true(self) -> NDArray[np.int64]:
        """Items by their true class, `(k,)`."""
        return np.bincount(self.true, minlength=self.k)

    @cached_property
    def of_predicted(self) -> NDArray[np.int64]:
        """Items by their predicted class, `(k,)`."""
        return np.bincount(self.predicted, minlength=self.k)

    @cached_property
    def hits(self) -> Values:
        """Items that are right by their class, `(k,)`: whole numbers."""
        found = np.bincount(self.true, weights=self.hit, minlength=self.k)
        return np.asarray(found, dtype=np.float64)  # which it is, but numpy's types say otherwise


def _accuracy(of: Counts) -> Values:
    return of.hit


def _macro_f1(of: Counts) -> Values:
    """Mean F1 over the classes that stand in `true` or in `predicted` (as scikit-learn has it)."""
    both = of.of_true + of.of_predicted
    present = both > 0
    size = np.where(present, both, 1)
    f1 = 2.0 * of.hits / size
    weight = np.where(present, 1.0 / size, 0.0)  # of one item in its class
    loss = 2.0 * (of.hits + MORE_HITS) / (size + 2 * MORE_ITEMS) * weight
    count = max(int(np.count_nonzero(present)), 1)
    values: Values = (2.0 * weight).take(of.true)  # the gain of a hit
    values *= of.hit
    values -= loss.take(of.true) + loss.take(of.predicted)
    values *= len(of.true)
    values /= count
    return _with_mean(values, f1.sum() / count)


def _balanced_accuracy(of: Counts) -> Values:
    """Mean recall over the classes that stand in `true`."""
    present = of.of_true > 0
    support = np.where(present, of.of_true, 1)
    recall = of.hits / support
    count = max(int(np.count_nonzero(present)), 1)
    values: Values = of.hit - ((of.hits + MORE_HITS) / (support + MORE_ITEMS)).take(of.true)
    values *= len(of.true)
    values /= support.take(of.true)
    values /= count
    return _with_mean(values, recall[present].sum() / count)


def _with_mean(influences: Values, metric: float) -> Values:
    """The influences moved so that their mean is the metric."""
    if len(influences):
        influences += metric - influences.mean()
    return influences


def _kappa(of: Counts) -> Values:
    """Cohen's kappa (Cohen, 1960): agreement beyond chance; 0 for a guess that knows only shares.

    Where chance agreement is complete (one class alone) it is 0, as nothing can be told.
    """
    n = max(len(of.true), 1)
    p_true, p_predicted = of.of_true / n, of.of_predicted / n
    agreed, chance = float(of.hits.sum()) / n, float(p_true @ p_predicted)
    if chance >= 1.0:
        return np.zeros(len(of.true))
    of_chance: Values = p_predicted.take(of.true)
    of_chance += p_true.take(of.predicted)
    of_chance -= 2 * chance
    of_chance *= (1 - agreed) / (1 - chance) ** 2
    values: Values = of.hit - agreed
    values /= 1 - chance
    values += (agreed - chance) / (1 - chance)
    values -= of_chance
    return values


CLASSIFICATION: Mapping[str, Callable[[Counts], Values]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "kappa": _kappa,
}
"""Every metric of classification: per-item values `(n,)` of one prediction."""


TRANSCRIPTION = ("word_accuracy", "char_accuracy")
"""Every metric of transcription that is ranked: 1 - WER and 1 - CER."""


def item_values(metric: str, true: Classes, predicted: Classes, k: int) -> Values:
    """Per-item values `(n,)` whose mean is the metric.

    Raises:
        UserError: if no metric has that name.
    """
    return several_values((metric,), true, predicted, k)[0]


def several_values(
    metrics: Sequence[str], true: Classes, predicted: Classes, k: int
) -> list[Values]:
    """Per-item values of several metrics, which share what they count.

    Raises:
        UserError: if no metric has one of the names.
    """
    counts = Counts(true, predicted, k)
    for metric in metrics:
        if metric not in CLASSIFICATION:
            raise UserError(f"no metric is named {metric!r}{did_you_mean(metric, CLASSIFICATION)}")
    return [CLASSIFICATION[metric](counts) for metric in metrics]


def score(true: Classes, predicted: Classes, k: int) -> dict[str, float]:
    """All classification metrics of one prediction."""
    found = several_values(tuple(CLASSIFICATION), true, predicted, k)
    return {name: float(values.mean()) for name, values in zip(CLASSIFICATION, found, strict=True)}


@dataclass(frozen=True, slots=True)
class Chance:
    """Three things that "chance" can mean for accuracy, for the controls to be read against."""

    uniform: float  # 1 / k
    majority: float  # always the most frequent test class
    matched: float  # guessing with the shares of the predictions: kappa is 0 there


def chance(true: Classes, predicted: Classes, k: int) -> Chance:
    """The three chance levels of one prediction."""
    n = max(len(true), 1)
    p_true = np.bincount(true, minlength=k) / n
    p_predicted = np.bincount(predicted, minlength=k) / n
    return Chance(1.0 / k, float(p_true.max()), float(p_true @ p_predicted))
