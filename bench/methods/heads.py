"""What the methods on frozen features share: scaling, and a head that predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DivergedError
from bench.core.method import Context, Parameter, Size
from bench.core.predictions import Predictions, softmax, spread
from bench.core.task import Input, Split

Features = NDArray[np.float32]

LEARNED = ("weights", "biases", "hidden.weights", "hidden.biases")
"""Arrays of heads that training could change; others are data, or follow from them."""


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


Arrays = Mapping[str, NDArray[Any]]
Probabilities = Callable[[Features], NDArray[np.floating]]


@dataclass(frozen=True, slots=True)
class Scale:
    """A scaling that was learned, by what it consists of: nothing, a `factor`, or a `center` and a
    `spread` `(d,)`."""

    arrays: Arrays

    def __call__(self, given: Features) -> Features:
        if "factor" in self.arrays:
            return np.asarray(given * self.arrays["factor"])
        if "center" in self.arrays:
            return np.asarray((given - self.arrays["center"]) / self.arrays["spread"])
        return given


def scaler(kind: object, features: Features) -> Scale:
    """Learn a scaling from `features` `(n, d)`."""
    if kind == Scaling.NONE:
        return Scale({})
    if kind == Scaling.RMS:
        factor = 1.0 / max(float(np.sqrt(np.mean(np.square(features)))), 1e-12)
        return Scale({"factor": np.array([factor], dtype=np.float32)})
    center = features.mean(axis=0)
    spread_ = features.std(axis=0)
    spread_[spread_ < 1e-6] = 1.0  # a constant dimension says nothing, and must not say NaN
    return Scale({"center": center, "spread": spread_})


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head on frozen features.

    `probabilities` maps scaled features `(n, d)` to `(n, m)` over the `m` classes seen in
    training, whose ids are `seen`; classes never seen get probability 0. `arrays` is what it
    consists of.
    """

    context: Context
    scale: Scale
    probabilities: Probabilities
    seen: NDArray[np.int64]
    arrays: Arrays = field(default_factory=dict)

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        rows = self.probabilities(self.scale(self.context.features(inputs)))
        if not np.isfinite(rows).all():
            raise DivergedError("the head predicts NaN or Inf")
        return spread(rows, self.seen, self.context.classes)

    def state(self) -> dict[str, NDArray[Any]]:
        """Its arrays, its scaling's, and the classes."""
        named = ((f"head.{name}", array) for name, array in self.arrays.items())
        scale = ((f"scale.{name}", array) for name, array in self.scale.arrays.items())
        return {"seen": self.seen, **dict(named), **dict(scale)}

    def size(self) -> Size:
        learned = sum(self.arrays[name].size for name in LEARNED if name in self.arrays)
        return Size(learned, sum(array.nbytes for array in self.state().values()))


def part_of(state: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def restored(state: Arrays, context: Context, made: Callable[[Arrays], Probabilities]) -> Head:
    """The head of `Head.state`; `made` gives probabilities from its arrays."""
    seen, arrays = state["seen"], part_of(state, "head.")
    probabilities = constant(seen) if len(seen) == 1 else made(arrays)
    return Head(context, Scale(part_of(state, "scale.")), probabilities, seen, arrays)


def linear(arrays: Arrays) -> Probabilities:
    """Softmax of a linear head: `weights` `(m, d)` and `biases` `(m,)`, of one row for two
    classes, divided by a `temperature` where there is one."""
    weights, biases = arrays["weights"], arrays["biases"]
    temperature = float(arrays["temperature"][0]) if "temperature" in arrays else 1.0

    def probabilities(features: Features) -> NDArray[np.floating]:
        scores = (features @ weights.T + biases) / temperature
        if len(weights) == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        return softmax(scores)

    return probabilities


@dataclass(frozen=True, slots=True)
class Learnable:
    """Scaled training features `(n, d)` with targets as positions in `seen`."""

    features: Features
    targets: NDArray[np.int64]
    seen: NDArray[np.int64]
    scale: Scale


def learnable(train: Split, context: Context, scaling: object) -> Learnable:
    """Features of the training split, scaled, and its classes numbered from 0 without gaps."""
    features = context.features(train.inputs)
    scale = scaler(scaling, features)
    seen, targets = np.unique(train.targets, return_inverse=True)
    return Learnable(scale(features), targets.astype(np.int64), seen, scale)


def constant(seen: NDArray[np.int64]) -> Callable[[Features], NDArray[np.floating]]:
    """The head of a training split with one class: always that class."""
    return lambda features: np.ones((len(features), len(seen)))
