"""What the methods on frozen features share: scaling, and a head that predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DivergedError
from bench.core.method import Context, Parameter
from bench.core.predictions import Predictions, spread
from bench.core.task import Input, Split

Features = NDArray[np.float32]


class Scaling(StrEnum):
    """What is done to features before a head; learned from training features alone."""

    NONE = "none"  # as they come
    RMS = "rms"  # one factor for all: mean square 1, directions kept
    STANDARD = "standard"  # each dimension to mean 0 and variance 1


def scaling_parameter(default: Scaling) -> Parameter:
    """The `scaling` parameter, the same words in every method."""
    return Parameter(
        "scaling",
        default.value,
        "of the features: none, rms (one factor for all) or standard (each dimension)",
        choices=tuple(s.value for s in Scaling),
    )


def scaler(kind: object, features: Features) -> Callable[[Features], Features]:
    """Learn a scaling from `features` `(n, d)` and return it as a function."""
    if kind == Scaling.NONE:
        return lambda given: given
    if kind == Scaling.RMS:
        factor = np.float32(1.0 / max(float(np.sqrt(np.mean(np.square(features)))), 1e-12))
        return lambda given: given * factor
    center = features.mean(axis=0)
    spread_ = features.std(axis=0)
    spread_[spread_ < 1e-6] = 1.0  # a constant dimension says nothing, and must not say NaN
    return lambda given: (given - center) / spread_


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head on frozen features.

    `probabilities` maps scaled features `(n, d)` to `(n, m)` over the `m` classes seen in
    training, whose ids are `seen`; classes never seen get probability 0.
    """

    context: Context
    scale: Callable[[Features], Features]
    probabilities: Callable[[Features], NDArray[np.floating]]
    seen: NDArray[np.int64]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        rows = self.probabilities(self.scale(self.context.features(inputs)))
        if not np.isfinite(rows).all():
            raise DivergedError("the head predicts NaN or Inf")
        return spread(rows, self.seen, self.context.classes)


@dataclass(frozen=True, slots=True)
class Learnable:
    """Scaled training features `(n, d)` with targets as positions in `seen`."""

    features: Features
    targets: NDArray[np.int64]
    seen: NDArray[np.int64]
    scale: Callable[[Features], Features]


def learnable(train: Split, context: Context, scaling: object) -> Learnable:
    """Features of the training split, scaled, and its classes numbered from 0 without gaps."""
    features = context.features(train.inputs)
    scale = scaler(scaling, features)
    seen, targets = np.unique(train.targets, return_inverse=True)
    return Learnable(scale(features), targets.astype(np.int64), seen, scale)


def constant(seen: NDArray[np.int64]) -> Callable[[Features], NDArray[np.floating]]:
    """The head of a training split with one class: always that class."""
    return lambda features: np.ones((len(features), len(seen)))
