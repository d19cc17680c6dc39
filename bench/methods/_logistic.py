"""Many L2-regularised logistic regressions solved as one batch.

The answer is scikit-learn's: `LogisticRegression(C)` minimises the sum of cross entropies plus
`|weights|^2 / (2 C)`, intercepts free, with one weight vector where there are two classes.
Problems that share features and targets form a path: the smallest C starts from zero, each
other where the one before ended, or all from zero side by side.  What is solved together is in
`_logistic_batch.py`, how a batch descends in `_logistic_descent.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.methods._logistic_batch import (
    ELEMENTS,
    Dataset,
    Members,
    Problem,
    chunks,
    labels_of,
    load,
    rounds,
    slots_of,
)
from bench.methods._logistic_descent import Data, Outcome, descend, evaluate, origin
from bench.methods._logistic_search import told
from bench.methods._threads import few_threads, side_by_side

__all__ = ["Problem", "Solution", "solve"]

SINGLE_ERROR = 2.4e-7
"""Two float32 roundings: a mean gradient below this times the largest feature is noise, and its
error is at most this times the largest feature times the largest logit."""
SINGLE_SHARE = 0.01
"""What share of the tolerance that error may be; beyond it float64 has the last word."""
PATIENCE = 30
"""Steps in float32 without a smaller gradient before float64 takes over."""


@dataclass(frozen=True, slots=True)
class Solution:
    """`weights` `(k, d)` and `intercepts` `(k,)` in float64; `(1, d)` and `(1,)` for two classes.

    `gradient_norm` is the largest absolute entry of the gradient of the mean loss
    (the loss divided by n), which scikit-learn compares with its `tol`.
    """

    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    iterations: int
    gradient_norm: float
    converged: bool

    def probabilities(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities `(n, k)` of `features` `(n, d)`."""
        logits = features @ self.weights.T + self.intercepts
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        return np.asarray(logits / logits.sum(axis=1, keepdims=True))


def solve(
    problems: Sequence[Problem],
    *,
    tolerance: float = 1e-4,
    max_iter: int = 1000,
    device: str = "cpu",
    apart: bool | None = None,
) -> list[Solution]:
    """Solve each problem until its `gradient_norm` is at most `tolerance`, or for `max_iter` steps.

    Steps are in float32 as long as their error does not matter to the tolerance, then in
    float64: the norms that are reported are true to a few hundredths of the tolerance.

    `apart`: the strengths of a path are solved side by side, each from zero; None is on a GPU,
    where a step costs about the same whatever is in it: ten strengths over Banking77's draws
    take 37 steps side by side, and 70 one after another.

    Raises:
        ValueError: if a problem has no solution (a class without items, fewer than two classes,
            features that are not finite in float32, a strength that is not positive) or shapes
            disagree.
    """
    for number, problem in enumerate(problems):
        if wrong := _mistake(problem):
            raise ValueError(f"problem {number}: {wrong}")
    found: dict[int, Solution] = {}
    cpu = device == "cpu"
    apart = not cpu if apart is None else apart
    for chunk in chunks(problems, ELEMENTS["cpu" if cpu else "cuda"], apart=apart):
        most = max(len(dataset.features) for dataset in chunk)
        work = partial(_solve_chunk, problems, most, tolerance, max_iter, device)
        if not cpu:
            with few_threads(0):  # of a product on the host; the large ones are on the device
                found |= work(chunk)
            continue
        for part in side_by_side(work, chunk, sum(c.multiplications for c in chunk)):
            found |= part
    return [found[number] for number in range(len(problems))]


def _mistake(problem: Problem) -> str | None:
    features, targets = problem.features, problem.targets
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        return f"features {features.shape} and targets {targets.shape} do not go together"
    if not problem.strength > 0 or not np.isfinite(problem.strength):
        return f"strength {problem.strength!r} is not a positive number"
    if len(targets) == 0 or targets.min() < 0:
        return "targets are to be 0..k-1"
    if (counts := np.bincount(targets)).min() == 0 or len(counts) < 2:
        return "targets are to be 0..k-1 with every class present, and at least two classes"
    return None


def _solve_chunk(
    problems: Sequence[Problem],
    most: int,
    tolerance: float,
    max_iter: int,
    device: str,
    chunk: Sequence[Dataset],
) -> dict[int, Solution]:
    """`_walk` without gradients and warnings, which every thread has switches of its own for."""
    import torch

    with torch.no_grad(), np.errstate(all="ignore"):
        return _walk(problems, most, tolerance, max_iter, device, chunk)


def _walk(
    problems: Sequence[Problem],
    most: int,
    tolerance: float,
    max_iter: int,
    device: str,
    chunk: Sequence[Dataset],
) -> dict[int, Solution]:
    """Walk along the paths of a chunk, one strength of each at a time."""
    import torch

    data = load(chunk, most, torch.float32, device)
    exact: Data | None = None
    labels = labels_of(problems, chunk, data)
    error = SINGLE_ERROR * _reach(data, problems)
    goal = max(0.95 * tolerance, error)
    point = origin(data, labels, chunk[0].classes)
    found: dict[int, Solution] = {}
    for members in rounds(chunk):
        slots = slots_of(problems, members, max_iter, labels)
        single = descend(data, point, slots, goal, PATIENCE)
        point = single.point
        largest = told(point.logits.amax((1, 3)))
        trusted = error * np.maximum(largest, 1.0) <= SINGLE_SHARE * tolerance
        enough = (slots.left < 0) | (trusted & (single.norms <= tolerance))
        ended = {at: number for at, number in members.items() if enough[at]}
        found |= _solutions(ended, chunk[0].classes, data, single, tolerance)
        if enough.all():
            continue
        exact = exact or load(chunk, most, torch.float64, device)
        left = np.where(enough, -1, slots.left - single.iterations)
        start = evaluate(exact, point.weights, labels)
        double = descend(exact, start, replace(slots, left=left), tolerance, None)
        np.add(double.iterations, single.iterations, out=double.iterations)
        rest = {at: number for at, number in members.items() if not enough[at]}
        found |= _solutions(rest, chunk[0].classes, exact, double, tolerance)
        point = double.point.single()
    return found


def _reach(data: Data, problems: Sequence[Problem]) -> float:
    """The largest feature, once they are where their maximum takes no time."""
    reach = float(data.rows[..., :-1].abs().max())
    if np.isfinite(reach):
        return reach
    for number, problem in enumerate(problems):
        if not np.isfinite(problem.features).all():
            raise ValueError(f"problem {number}: features are not finite")
    raise ValueError("features are too large for float32")


def _solutions(
    members: Members, classes: int, data: Data, outcome: Outcome, tolerance: float
) -> dict[int, Solution]:
    """By the number of the problem; centring and the basis are undone.

    What comes from a GPU comes in the precision it was solved in: it is half as much.
    """
    import torch

    if not members:
        return {}
    i, j = torch.tensor(list(members)).to(data.rows.device).unbind(1)
    weights = data.unfold(outcome.point.weights[:, :, :classes])[i, j]
    intercepts = outcome.point.weights[i, j, :classes, -1].double()
    intercepts -= (weights.double() * data.centers[i, None].double()).sum(-1)
    if classes == 2:
        both = weights.double(), intercepts
        weights, intercepts = (part[:, 1:] - part[:, :1] for part in both)
    w, b = (part.cpu().double().numpy() for part in (weights, intercepts))
    steps, norms = outcome.iterations, outcome.norms
    return {
        number: Solution(
            w[row], b[row], int(steps[at]), float(norms[at]), bool(norms[at] <= tolerance)
        )
        for row, (at, number) in enumerate(members.items())
    }
