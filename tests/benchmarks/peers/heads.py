"""Heads: ten few-shot fits of Banking77, and a path of ten strengths over each of them.

`bench.methods._logistic.solve` against scikit-learn's LogisticRegression, each at the process's
number of threads and at one. Both stop at the same norm: the largest entry of the mean
gradient, taken again in float64 here. Predictions are compared at a tighter norm, too: at
scikit-learn's default neither is where both are going.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.draws import draw_items
from bench.core.suite import Precision, Sampling, TrainRule
from bench.measure import StopRule, WallClock, interleave
from bench.methods._logistic import Problem, solve
from tests.benchmarks.peers import contenders as ways
from tests.benchmarks.peers.facts import say

DRAWS, PER_CLASS = 10, 8
PATH = tuple(float(c) for c in np.logspace(-2, 3, 10))
TOLERANCE, TIGHT = 1e-4, 1e-6
"""scikit-learn's default, and one at which both say the same."""
MAX_ITER = 5000
RULE = StopRule(most_warm_up_seconds=0.1)
CONVERGED, EXACT = "converged", 1e-7
"""What both would come to in the end."""
BENCH, BENCH_ONE = "bench", "bench, 1 thread"
SKLEARN_ALL, SKLEARN = "scikit-learn", "scikit-learn, 1 thread"
"""scikit-learn is the faster with one, and has no more beside a GPU or where a round is long."""
SKLEARN_WARM = "scikit-learn, warm start, 1 thread"
"""Each path's fits started from the one before."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a problem came to: `weights` `(k, d)`, `intercepts` `(k,)`."""

    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]


Solver: TypeAlias = Callable[[Sequence[Problem]], list[Fit]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rounds of each shape, over how many draws."""

    rounds: int
    path_rounds: int
    tight_path_rounds: int
    draws: int


def run(counts: Counts, threads: int, device: str, keep: Callable[[dict[str, Any]], None]) -> None:
    """Both shapes, one after the other; `keep` gets what there is after each."""
    draws, rounds = counts.draws, counts.rounds
    sets, test = drawn(draws, device)
    once = [Problem(x, y, 1.0) for x, y in sets]
    path = [Problem(x, y, c) for x, y in sets for c in PATH]
    found: dict[str, Any] = {
        "tolerance_converged": EXACT,
        "strengths": list(PATH),
        "rows": [],
    }
    both = (BENCH, SKLEARN) if device == "cuda" else (BENCH, BENCH_ONE, SKLEARN_ALL, SKLEARN)
    warm = both if device == "cuda" else (*both, SKLEARN_WARM)
    paths = f"{draws} paths of {len(PATH)} C"
    for name, problems, count, tolerance, names in (
        (f"{draws} fits, C = 1", once, rounds, TOLERANCE, both),
        (f"{draws} fits, C = 1, tightly", once, rounds, TIGHT, both),
        (paths, path, counts.path_rounds, TOLERANCE, warm),
        (f"{paths}, tightly", path, counts.tight_path_rounds, TIGHT, (BENCH, SKLEARN)),
    ):
        if count:
            every = solvers(threads, tolerance, device)
            contenders = {which: every[which] for which in names}
            exact = partial(ours, EXACT, device)
            exact = exact if device == "cuda" else limited(exact, 1)
            row = on_problems(name, problems, test, count, tolerance, contenders, exact)
            found["rows"].append(row)
            keep(found)


def drawn(
    draws: int, device: str
) -> tuple[list[tuple[NDArray[np.float32], NDArray[np.int64]]], Any]:
    """Features and targets of MTEB's draws of 8 a class, and features of the test items."""
    from bench import tasks
    from bench.extract import extract

    splits = tasks.registry()["banking77"].load()
    rule = TrainRule(per_class=PER_CLASS, sampling=Sampling.MTEB)
    chosen = [draw_items(splits.train.targets, rule, draw).labelled for draw in range(draws)]
    backbone = ways.loaded(Precision.FP32, device)
    union = np.unique(np.concatenate(chosen))
    say(f"features of {len(union)} training and {len(splits.test)} test items")
    known = extract(backbone, [splits.train.inputs[i] for i in union], device).features
    test = extract(backbone, splits.test.inputs, device).features
    sets = [(known[np.searchsorted(union, items)], splits.train.targets[items]) for items in chosen]
    return sets, test


def solvers(threads: int, tolerance: float, device: str) -> dict[str, Solver]:
    """By name, all that there are."""
    we, they = partial(ours, tolerance, device), partial(theirs, tolerance)
    return {
        BENCH: we if device == "cuda" else limited(we, threads),
        BENCH_ONE: limited(we, 1),
        SKLEARN_ALL: limited(they, threads),
        SKLEARN: limited(they, 1),
        SKLEARN_WARM: limited(partial(theirs_warm, tolerance), 1),
    }


def ours(tolerance: float, device: str, problems: Sequence[Problem]) -> list[Fit]:
    """All problems as one batch."""
    found = solve(problems, tolerance=tolerance, max_iter=MAX_ITER, device=device)
    return [Fit(one.weights, one.intercepts) for one in found]


def theirs(tolerance: float, problems: Sequence[Problem]) -> list[Fit]:
    """One fit after another."""
    return [_fit(_logistic(tolerance, problem.strength), problem) for problem in problems]


def theirs_warm(tolerance: float, problems: Sequence[Problem]) -> list[Fit]:
    """One fit after another, weak after strong penalties, from where the last one ended."""
    found, model, before = [], None, None
    for problem in problems:
        if model is None or problem.features is not before:
            model = _logistic(tolerance, problem.strength, warm_start=True)
        before = problem.features
        found.append(_fit(model.set_params(C=problem.strength), problem))
    return found


def _logistic(tolerance: float, strength: float, **more: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, tol=tolerance, max_iter=MAX_ITER, **more)


def _fit(model: Any, problem: Problem) -> Fit:
    model.fit(problem.features, problem.targets)
    return Fit(np.array(model.coef_, np.float64), np.array(model.intercept_, np.float64))


def limited(solver: Solver, threads: int) -> Solver:
    """The solver with so many threads in torch, BLAS and OpenMP."""

    def work(problems: Sequence[Problem]) -> list[Fit]:
        with only(threads):
            return solver(problems)

    return work


@contextmanager
def only(threads: int) -> Iterator[None]:
    """So many threads inside; looking for the pools (milliseconds) is done once."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _pools().limit(limits=threads):
            yield
    finally:
        torch.set_num_threads(before)


_FOUND: list[Any] = []


def _pools() -> Any:
    if not _FOUND:
        import sklearn.linear_model  # noqa: F401 -- a pool is found once its library is loaded
        from threadpoolctl import ThreadpoolController

        _FOUND.append(ThreadpoolController())
    return _FOUND[0]


def on_problems(
    name: str,
    problems: Sequence[Problem],
    test: NDArray[np.float32],
    rounds: int,
    tolerance: float,
    contenders: Mapping[str, Solver],
    exact: Solver,
) -> dict[str, Any]:
    """Solve, compare and time one set of problems."""
    say(f"{name}: answers")
    answers = {key: solver(problems) for key, solver in contenders.items()}
    told = {key: predictions(fits, test) for key, fits in answers.items()}
    told[CONVERGED] = predictions(exact(problems), test)
    say(f"{name}: {rounds} rounds")
    works = {key: _on(solver, problems) for key, solver in contenders.items()}
    found = interleave(works, WallClock(), rounds=rounds, rule=RULE)
    n, dims = problems[0].features.shape
    return {
        "problems": name,
        "tolerance": tolerance,
        "count": len(problems),
        "shape": [n, dims, int(problems[0].targets.max()) + 1],
        "test_items": len(test),
        "gradient": {
            key: max(gradient_norm(p, fit) for p, fit in zip(problems, fits, strict=True))
            for key, fits in answers.items()
        },
        "agree": {
            key: {other: float((told[key] == told[other]).mean()) for other in told if other != key}
            for key in answers
        },
        "order": [list(names) for names in found.order],
        "calls_in_a_region": found.repeats,
        "seconds": {key: list(values) for key, values in found.seconds.items()},
        "spread": found.spread,
    }


def _on(solver: Solver, problems: Sequence[Problem]) -> Callable[[int], object]:
    return lambda _: solver(problems)


def predictions(fits: Sequence[Fit], test: NDArray[np.float32]) -> NDArray[np.int64]:
    """Classes `(problems, items)` of the test items."""
    rows = test.astype(np.float64)
    return np.stack([(rows @ fit.weights.T + fit.intercepts).argmax(1) for fit in fits])


def gradient_norm(problem: Problem, fit: Fit) -> float:
    """The largest entry of the mean loss's gradient of a softmax regression, in float64."""
    x, n = problem.features.astype(np.float64), len(problem.targets)
    logits = x @ fit.weights.T + fit.intercepts
    logits -= logits.max(1, keepdims=True)
    off = np.exp(logits)
    off /= off.sum(1, keepdims=True)
    off[np.arange(n), problem.targets] -= 1.0
    slope = (off.T @ x + fit.weights / problem.strength) / n
    return float(max(np.abs(slope).max(), np.abs(off.sum(0)).max() / n))
