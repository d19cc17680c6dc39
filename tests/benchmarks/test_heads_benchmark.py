"""Heads over frozen features, timed by pytest-benchmark: `make microbench`."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bench.methods._logistic import Problem, solve
from bench.methods._threads import LARGE_PRODUCT, few_threads

RNG = np.random.default_rng(0)
CENTERS = RNG.normal(size=(20, 128))
STRENGTHS = (0.1, 1.0, 10.0, 100.0)


def draw() -> tuple[np.ndarray, np.ndarray]:
    """Eight noisy items of unit length for each of 20 classes."""
    targets = np.repeat(np.arange(20), 8)
    features = CENTERS[targets] + 2 * RNG.normal(size=(160, 128))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), targets


DRAWS = [draw() for _ in range(5)]
PROBLEMS = [Problem(x, y, c) for x, y in DRAWS for c in STRENGTHS]


def with_scikit_learn(multiplications: int) -> None:
    with few_threads(multiplications):
        for problem in PROBLEMS:
            LogisticRegression(C=problem.strength).fit(problem.features, problem.targets)


WAYS = {
    "batched": lambda: solve(PROBLEMS),
    "scikit_learn_one_thread": lambda: with_scikit_learn(1),
    "scikit_learn_all_threads": lambda: with_scikit_learn(LARGE_PRODUCT),
}


@pytest.mark.parametrize("way", WAYS)
def test_five_draws_of_four_strengths(benchmark, way):
    benchmark.pedantic(WAYS[way], rounds=5, warmup_rounds=1)
