"""Classifiers whose true macro F1 and balanced accuracy are known, on classes of any sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.core.metrics import item_values
from bench.stats import compare, two_way

NEWS = (
    1083,
    696,
    121,
    87,
    81,
    75,
    36,
    *[25] * 5,
    *[15] * 8,
    *[9] * 10,
    *[6] * 8,
    *[3] * 8,
    *[1] * 6,
)
"""Sizes of 52 classes like those of Reuters' test set."""
METRICS = ("macro_f1", "balanced_accuracy")


def covered(
    metric: str, sizes: Sequence[int], repeats: int, seed: int, *, draws: int = 1
) -> tuple[float, float]:
    """How often the interval holds the truth, and how often two classifiers of one truth are told
    apart at 5 %."""
    holds = apart = 0
    for one, other, truth in pairs(metric, sizes, repeats, seed, draws):
        found = two_way(one, (0.0, 1.0))
        holds += found.low <= truth <= found.high
        apart += compare(one, other).p < 0.05
    return holds / repeats, apart / repeats


def pairs(
    metric: str, sizes: Sequence[int], repeats: int, seed: int, draws: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Per-item values `(draws, n)` of two classifiers with one matrix of confusion, and its metric.

    Recalls are drawn by class (logits with a mean of 2 and a standard deviation of 1); what is
    wrong goes to a class by its size.
    """
    rng = np.random.default_rng(seed)
    count = np.array(sizes)
    k, true = len(count), np.repeat(np.arange(len(count)), count)
    recall = 1 / (1 + np.exp(-(2 + rng.standard_normal(k))))
    wrong = np.tile(count / count.sum(), (k, 1))
    np.fill_diagonal(wrong, 0)
    confusion = np.diag(recall) + (1 - recall)[:, None] * wrong / wrong.sum(1, keepdims=True)
    expected = count[:, None] * confusion
    truth = {
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": float(np.mean(2 * np.diag(expected) / (count + expected.sum(0)))),
    }[metric]
    ends = confusion.cumsum(1)[true]
    for _ in range(repeats):
        one, other = (
            np.stack([item_values(metric, true, drawn(rng, ends), k) for _ in range(draws)])
            for _ in range(2)
        )
        yield one, other, truth


def drawn(rng: np.random.Generator, ends: NDArray[np.float64]) -> NDArray[np.int64]:
    """A class for each item, of cumulated probabilities `(n, k)`."""
    found = (rng.random((len(ends), 1)) > ends).sum(1)
    return np.minimum(found, ends.shape[1] - 1)
