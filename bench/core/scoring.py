"""Scores by kind of task: the one place that knows which metrics go with which predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from bench.core.metrics import chance, item_values, score
from bench.core.predictions import Outcome, TextPredictions
from bench.core.transcripts import accuracy_values, edits


def main_score(
    metric: str, predictions: Outcome, targets: NDArray[np.int64], names: Sequence[str]
) -> float:
    """The main metric of predictions against targets `(n,)`; `names` `(k,)` of classes, or the
    task's transcripts."""
    if isinstance(predictions, TextPredictions):
        return all_scores(predictions, targets, names)[metric]
    return float(item_values(metric, targets, predictions.classes, len(names)).mean())


def all_scores(
    predictions: Outcome, targets: NDArray[np.int64], names: Sequence[str]
) -> dict[str, float]:
    """Every metric of the task's kind."""
    if not isinstance(predictions, TextPredictions):
        return score(targets, predictions.classes, len(names))
    found = edits(predictions.texts, [names[i] for i in targets])
    words = float(accuracy_values(found.word_errors, found.words).mean())
    chars = float(accuracy_values(found.char_errors, found.chars).mean())
    return {
        "word_accuracy": words, "char_accuracy": chars, "wer": 1 - words, "cer": 1 - chars,
    }  # fmt: skip


def chance_levels(
    predictions: Outcome, targets: NDArray[np.int64], names: Sequence[str]
) -> dict[str, float]:
    """What guessing would score, in three senses; of transcripts nothing is guessed."""
    if isinstance(predictions, TextPredictions):
        return {}
    return asdict(chance(targets, predictions.classes, len(names)))
