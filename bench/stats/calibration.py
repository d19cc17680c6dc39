"""How far probabilities can be trusted, and one number that mends much of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Of confidence, equally wide (Guo et al., On Calibration of Modern Neural Networks, 2017)."""
TEMPERATURES = (0.02, 50.0)
LEAST = 1e-12
"""A probability below it counts as this much: a certain mistake costs 27.6 nats, not infinity."""

Probabilities = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of `n` predictions: negative log likelihood in nats, Brier score (the sum of squared
    differences over classes, 0 to 2), and expected calibration error (0 to 1)."""

    nll: float
    brier: float
    ece: float


def calibration(probabilities: Probabilities, targets: NDArray[np.int64]) -> Calibration:
    """Of probabilities `(n, k)` against class ids `(n,)`.

    Raises:
        ValueError: if there is nothing to look at, or the shapes do not go together.
    """
    p = _checked(probabilities, targets)
    rows = np.arange(len(p))
    of_true = p[rows, targets]
    brier = (p**2).sum(axis=1) - 2 * of_true + 1.0
    return Calibration(
        nll=float(-np.log(np.maximum(of_true, LEAST)).mean()),
        brier=float(brier.mean()),
        ece=_expected_error(p.max(axis=1), p.argmax(axis=1) == targets),
    )


def temperature(probabilities: Probabilities, targets: NDArray[np.int64]) -> float:
    """The temperature that makes `targets` `(n,)` most likely under `tempered` probabilities.

    Raises:
        ValueError: as `calibration` does.
    """
    from scipy.optimize import minimize_scalar  # half a second, which no table needs

    p = _checked(probabilities, targets)
    logs = np.log(np.maximum(p, LEAST))

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        lost = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(p)), targets]
        return float(lost.mean())

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def tempered(probabilities: Probabilities, at: float) -> NDArray[np.float64]:
    """Probabilities `(n, k)` with their logits divided by `at`: the order of classes stays."""
    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), LEAST)) / at
    logs -= logs.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = np.exp(logs)
    found /= found.sum(axis=1, keepdims=True)
    return found


def _checked(probabilities: Probabilities, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not len(p) or targets.shape != p.shape[:1]:
        raise ValueError(f"probabilities {p.shape} and targets {targets.shape} do not go together")
    return p


def _expected_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance of confidence and accuracy over bins, by their share of the items."""
    at = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(at, weights=confidence - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(confidence))
