"""What methods return, by the kind of task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DivergedError


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """Probabilities `(n, k)` float32 over the task's classes, each row summing to 1."""

    probabilities: NDArray[np.float32]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class of each item, `(n,)`; the lowest id of equals."""
        chosen: NDArray[np.int64] = np.argmax(self.probabilities, axis=1).astype(np.int64)
        return chosen

    def check(self, items: int, classes: int) -> None:
        """Refuse what is not a distribution per item.

        Raises:
            DivergedError: on a wrong shape, NaN, Inf or rows that do not sum to 1 (within 1e-3).
        """
        if self.probabilities.shape != (items, classes):
            raise DivergedError(
                f"predictions have shape {self.probabilities.shape}, not {(items, classes)}"
            )
        if not np.isfinite(self.probabilities).all():
            raise DivergedError("predictions hold NaN or Inf")
        if items and np.abs(self.probabilities.sum(axis=1) - 1.0).max() > 1e-3:
            raise DivergedError("predicted probabilities do not sum to 1")


@dataclass(frozen=True, slots=True)
class TextPredictions:
    """What was said, a text an item."""

    texts: tuple[str, ...]

    def check(self, items: int, classes: int) -> None:  # noqa: ARG002 -- as of classes
        """Refuse what is not a text an item.

        Raises:
            DivergedError: on another number of them.
        """
        if len(self.texts) != items:
            raise DivergedError(f"{len(self.texts)} transcripts of {items} items")


Predictions: TypeAlias = ClassPredictions
"""What most methods return; those that write transcripts are `bench.core.method.Transcribes`."""
Outcome: TypeAlias = ClassPredictions | TextPredictions
"""The union over task kinds; values and returns join it later."""


def one_hot(classes: NDArray[np.int64], k: int) -> ClassPredictions:
    """Certain predictions from class ids `(n,)`, for methods without probabilities."""
    probabilities = np.zeros((len(classes), k), dtype=np.float32)
    probabilities[np.arange(len(classes)), classes] = 1.0
    return ClassPredictions(probabilities)


def spread(
    probabilities: NDArray[np.floating], seen: NDArray[np.int64], k: int
) -> ClassPredictions:
    """Put the columns of the classes seen in training at their ids among `k`; the others get 0."""
    full = np.zeros((len(probabilities), k), dtype=np.float32)
    full[:, seen] = probabilities
    return ClassPredictions(full)


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Row-wise softmax of `(n, k)` scores in float64."""
    shifted = np.asarray(scores, dtype=np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    normalised: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return normalised
