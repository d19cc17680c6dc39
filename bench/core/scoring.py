"""Scores by kind of task: the one place that knows which metrics go with which predictions."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from bench.core.metrics import chance, item_values, score
from bench.core.predictions import Predictions


def main_score(metric: str, predictions: Predictions, targets: NDArray[np.int64], k: int) -> float:
    """The main metric of predictions against targets `(n,)`."""
    return float(item_values(metric, targets, predictions.classes, k).mean())


def all_scores(predictions: Predictions, targets: NDArray[np.int64], k: int) -> dict[str, float]:
    """Every metric of the task's kind."""
    return score(targets, predictions.classes, k)


def chance_levels(predictions: Predictions, targets: NDArray[np.int64], k: int) -> dict[str, float]:
    """What guessing would score, in three senses."""
    return asdict(chance(targets, predictions.classes, k))
