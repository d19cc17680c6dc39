"""Metrics as means of per-item values, so that one statistic serves them all.

For each metric, `item_values` gives `(n,)` float64 whose mean is the metric: the
0/1 hits for accuracy, and for metrics that are no plain mean (macro F1, kappa,
balanced accuracy) the first-order influence of each item added to the metric
(the infinitesimal jackknife; Efron & Tibshirani, An Introduction to the
Bootstrap, 1993, ch. 21).  Variances and paired differences over items and draws
are then the same computation for every metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UserError, did_you_mean

Classes = NDArray[np.int64]
Values = NDArray[np.float64]


def _accuracy(true: Classes, predicted: Classes, k: int) -> Values:  # noqa: ARG001 -- one form
    hits: Values = (true == predicted).astype(np.float64)
    return hits


def _macro_f1(true: Classes, predicted: Classes, k: int) -> Values:
    """Mean F1 over the classes that stand in `true` or in `predicted` (as scikit-learn has it)."""
    n = len(true)
    both = np.bincount(true, minlength=k) + np.bincount(predicted, minlength=k)
    hits = np.bincount(true[true == predicted], minlength=k)
    present = both > 0
    size = np.where(present, both, 1)
    f1 = 2.0 * hits / size
    weight = np.where(present, 1.0 / size, 0.0)  # of one item in its class
    gain = 2.0 * (true == predicted) * weight[true]
    loss = f1[true] * weight[true] + f1[predicted] * weight[predicted]
    count = max(int(present.sum()), 1)
    values: Values = f1.sum() / count + n * (gain - loss) / count
    return values


def _balanced_accuracy(true: Classes, predicted: Classes, k: int) -> Values:
    """Mean recall over the classes that stand in `true`."""
    n = len(true)
    support = np.bincount(true, minlength=k)
    hits = np.bincount(true[true == predicted], minlength=k)
    present = support > 0
    recall = hits / np.where(present, support, 1)
    count = max(int(present.sum()), 1)
    influence = n * ((true == predicted) - recall[true]) / support[true] / count
    values: Values = recall[present].sum() / count + influence
    return values


def _kappa(true: Classes, predicted: Classes, k: int) -> Values:
    """Cohen's kappa (Cohen, 1960): agreement beyond chance; 0 for a guess that knows only shares.

    Where chance agreement is complete (one class alone) it is 0, as nothing can be told.
    """
    n = max(len(true), 1)
    p_true = np.bincount(true, minlength=k) / n
    p_predicted = np.bincount(predicted, minlength=k) / n
    hit = (true == predicted).astype(np.float64)
    agreed, chance = hit.mean(), float(p_true @ p_predicted)
    if chance >= 1.0:
        return np.zeros(len(true))
    kappa = (agreed - chance) / (1 - chance)
    of_chance = p_predicted[true] + p_true[predicted] - 2 * chance
    values: Values = (
        kappa + (hit - agreed) / (1 - chance) - (1 - agreed) / (1 - chance) ** 2 * of_chance
    )
    return values


CLASSIFICATION: Mapping[str, Callable[[Classes, Classes, int], Values]] = {
    "accuracy": _accuracy,
    "macro_f1": _macro_f1,
    "balanced_accuracy": _balanced_accuracy,
    "kappa": _kappa,
}
"""Every metric of classification: true and predicted class ids `(n,)`, number of classes."""


def item_values(metric: str, true: Classes, predicted: Classes, k: int) -> Values:
    """Per-item values `(n,)` whose mean is the metric.

    Raises:
        UserError: if no metric has that name.
    """
    if metric not in CLASSIFICATION:
        raise UserError(f"no metric is named {metric!r}{did_you_mean(metric, CLASSIFICATION)}")
    return CLASSIFICATION[metric](true, predicted, k)


def score(true: Classes, predicted: Classes, k: int) -> dict[str, float]:
    """All classification metrics of one prediction."""
    return {name: float(f(true, predicted, k).mean()) for name, f in CLASSIFICATION.items()}


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
