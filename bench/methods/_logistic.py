"""Many L2-regularised logistic regressions solved as one batch.

The answer is scikit-learn's: `LogisticRegression(C)` minimises the sum of cross entropies plus
`|weights|^2 / (2 C)`, intercepts free, with one weight vector where there are two classes.
Problems that share features and targets form a path: the smallest C starts from zero, each
other where the one before ended, or all from zero side by side.  How a batch descends is in
`_logistic_descent.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.methods._logistic_descent import (
    Data,
    Outcome,
    Slots,
    descend,
    evaluate,
    origin,
    round_up,
)
from bench.methods._threads import side_by_side

ELEMENTS = {"cpu": 4_000_000, "cuda": 200_000_000}
"""Weights and logits solved together at most: on a CPU, what the last level of cache can bear."""
PADDING = 1.25
"""Datasets are padded to a common number of rows; the longest is at most this times the
shortest."""
SINGLE_ERROR = 2.4e-7
"""Two float32 roundings: a mean gradient below this times the largest feature is noise, and its
error is at most this times the largest feature times the largest logit."""
SINGLE_SHARE = 0.01
"""What share of the tolerance that error may be; beyond it float64 has the last word."""
PATIENCE = 30
"""Steps in float32 without a smaller gradient before float64 takes over."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One regression: `features` `(n, d)`, `targets` `(n,)` with every class of 0..k-1, `strength`
    as scikit-learn's C.  Problems that hold the very same `features` array share its memory;
    with the very same `targets`, too, they are one path.
    """

    features: NDArray[np.floating]
    targets: NDArray[np.int64]
    strength: float


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
            features that are not finite, a strength that is not positive) or shapes disagree.
    """
    for number, problem in enumerate(problems):
        if wrong := _mistake(problem):
            raise ValueError(f"problem {number}: {wrong}")
    found: dict[int, Solution] = {}
    cpu = device == "cpu"
    apart = not cpu if apart is None else apart
    for chunk in _chunks(problems, ELEMENTS["cpu" if cpu else "cuda"], apart=apart):
        most = max(len(dataset.features) for dataset in chunk)
        work = partial(_solve_chunk, problems, most, tolerance, max_iter, device)
        if not cpu:
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
    if not np.isfinite(features).all():
        return "features are not finite"
    return None


@dataclass(slots=True)
class _Dataset:
    """One features array with the paths over it, all of the same `classes`: the numbers of the
    problems of each in order of their strength."""

    features: NDArray[np.floating]
    classes: int
    paths: dict[int, list[int]]

    @property
    def reduced(self) -> bool:
        """Whether to work in the span of the rows, where the weights of the minimum lie."""
        n, dims = self.features.shape
        return bool(2 * n <= dims)

    @property
    def width(self) -> int:
        return len(self.features) if self.reduced else self.features.shape[1]

    @property
    def shape(self) -> tuple[int, int, bool, int, int]:
        """Datasets are solved together if they agree in all but the last, the number of rows."""
        n, dims = self.features.shape
        return self.classes, dims, self.reduced, len(self.paths), n

    @property
    def elements(self) -> int:
        return len(self.paths) * self.classes * (self.width + len(self.features))

    @property
    def multiplications(self) -> int:
        """Of one of the two products of a step."""
        return len(self.paths) * self.classes * self.width * len(self.features)


def _chunks(problems: Sequence[Problem], elements: int, *, apart: bool) -> Iterator[list[_Dataset]]:
    """Datasets to be solved together: alike in shape, and not too many. `apart`: each problem is
    a path of its own.
    """
    datasets: dict[tuple[int, int], _Dataset] = {}
    for number in sorted(range(len(problems)), key=lambda i: problems[i].strength):
        features, targets = problems[number].features, problems[number].targets
        classes = int(targets.max()) + 1
        fresh = _Dataset(features, classes, {})
        dataset = datasets.setdefault((id(features), classes), fresh)
        dataset.paths.setdefault(number if apart else id(targets), []).append(number)
    chunk: list[_Dataset] = []
    for dataset in sorted(datasets.values(), key=lambda d: d.shape):
        if chunk and not (
            chunk[0].shape[:-1] == dataset.shape[:-1]
            and dataset.shape[-1] <= PADDING * chunk[0].shape[-1]
            and sum(c.elements for c in chunk) < elements
        ):
            yield chunk
            chunk = []
        chunk.append(dataset)
    if chunk:
        yield chunk


def _solve_chunk(
    problems: Sequence[Problem],
    most: int,
    tolerance: float,
    max_iter: int,
    device: str,
    chunk: Sequence[_Dataset],
) -> dict[int, Solution]:
    """`_walk` without gradients, which every thread has a switch of its own for."""
    import torch

    with torch.no_grad():
        return _walk(problems, most, tolerance, max_iter, device, chunk)


def _walk(
    problems: Sequence[Problem],
    most: int,
    tolerance: float,
    max_iter: int,
    device: str,
    chunk: Sequence[_Dataset],
) -> dict[int, Solution]:
    """Walk along the paths of a chunk, one strength of each at a time."""
    import torch

    data = _load(chunk, most, torch.float32, device)
    exact: Data | None = None
    labels = _labels(problems, chunk, data)
    error = SINGLE_ERROR * float(data.rows[..., :-1].abs().max())
    goal = max(0.95 * tolerance, error)
    point = origin(data, labels, chunk[0].classes)
    found: dict[int, Solution] = {}
    for members in _rounds(chunk):
        slots = _slots(problems, members, max_iter, labels)
        single = descend(data, point, slots, goal, PATIENCE)
        point = single.point
        largest = point.logits.amax((1, 3)).cpu().double()
        trusted = error * largest.clamp(min=1.0) <= SINGLE_SHARE * tolerance
        enough = (slots.left < 0) | (trusted & (single.norms <= tolerance))
        found |= _solutions(chunk, members, data, single, tolerance)
        if enough.all():
            continue
        exact = exact or _load(chunk, most, torch.float64, device)
        left = torch.where(enough, -1, slots.left - single.iterations)
        start = evaluate(exact, point.weights, labels)
        double = descend(exact, start, replace(slots, left=left), tolerance, None)
        double.iterations.add_(single.iterations)
        rest = {at: number for at, number in members.items() if not enough[at]}
        found |= _solutions(chunk, rest, exact, double, tolerance)
        point = double.point.single()
    return found


Members = dict[tuple[int, int], int]
"""Numbers of problems by their slot: dataset and path."""


def _rounds(chunk: Sequence[_Dataset]) -> Iterator[Members]:
    longest = max(len(path) for dataset in chunk for path in dataset.paths.values())
    for step in range(longest):
        yield {
            (i, j): path[step]
            for i, dataset in enumerate(chunk)
            for j, path in enumerate(dataset.paths.values())
            if step < len(path)
        }


def _solutions(
    chunk: Sequence[_Dataset], members: Members, data: Data, outcome: Outcome, tolerance: float
) -> dict[int, Solution]:
    """By the number of the problem; centring and the basis are undone."""
    k = chunk[0].classes
    weights = data.unfold(outcome.point.weights[:, :, :k]).double()
    shift = (weights * data.centers[:, None, None].double()).sum(-1)
    intercepts = outcome.point.weights[:, :, :k, -1].double() - shift
    if k == 2:
        weights, intercepts = (part[:, :, 1:] - part[:, :, :1] for part in (weights, intercepts))
    w, b = (part.cpu().numpy() for part in (weights, intercepts))
    return {
        number: Solution(
            w[at].copy(),
            b[at].copy(),
            int(outcome.iterations[at]),
            float(outcome.norms[at]),
            bool(outcome.norms[at] <= tolerance),
        )
        for at, number in members.items()
    }


def _load(chunk: Sequence[_Dataset], most: int, dtype: Any, device: str) -> Data:
    """Centred features with a column of ones, padded by columns, and to `most` rows, of zeros.

    A row of zeros has equal logits whatever the weights are, and adds nothing to a gradient.
    Centring changes the intercept alone, and much improves the conditioning.
    """
    import torch

    width = round_up(max(c.width for c in chunk) + 1, 16)
    kind = {"dtype": dtype, "device": device}
    dims = chunk[0].features.shape[1]
    counts = torch.tensor([[float(len(c.features))] for c in chunk], dtype=dtype).to(device)
    true = torch.arange(most, device=device) < counts
    if chunk[0].reduced:
        rows = torch.zeros(len(chunk), most, width, **kind)
        basis = torch.zeros(len(chunk), width - 1, dims, **kind)
        centers = torch.zeros(len(chunk), dims, **kind)
        for i, dataset in enumerate(chunk):
            features = torch.as_tensor(dataset.features, dtype=dtype).to(device)
            centers[i] = features.mean(0)
            q, r = torch.linalg.qr((features - centers[i]).mT)
            basis[i, : dataset.width], rows[i, : len(features), : dataset.width] = q.mT, r.mT
        rows[..., -1] = true
        return Data(rows, counts, centers, basis)
    single = dtype == torch.float32
    packed = np.zeros((len(chunk), most, width), np.float32 if single else np.float64)
    for i, dataset in enumerate(chunk):
        packed[i, : len(dataset.features), :dims] = dataset.features
    rows = torch.from_numpy(packed).to(device)  # at once: each copy to a GPU waits
    centers = rows.sum(1)[:, :dims] / counts
    rows[..., :dims] -= centers[:, None]
    if len({len(dataset.features) for dataset in chunk}) > 1:
        rows *= true[..., None]
    rows[..., -1] = true
    return Data(rows, counts, centers, None)


def _labels(problems: Sequence[Problem], chunk: Sequence[_Dataset], data: Data) -> Any:
    """Targets `(D, M, n)` of the paths."""
    import torch

    shape = len(chunk), len(chunk[0].paths), data.rows.shape[1]
    labels = np.zeros(shape, dtype=np.int64)
    for i, dataset in enumerate(chunk):
        for j, path in enumerate(dataset.paths.values()):
            targets = problems[path[0]].targets
            labels[i, j, : len(targets)] = targets
    return torch.from_numpy(labels).to(data.rows.device)


def _slots(problems: Sequence[Problem], members: Members, max_iter: int, labels: Any) -> Slots:
    """The problems of one round.

    Two classes are one softmax of twice the penalty: with weights -w/2 and w/2 it has the
    probabilities, the loss and the gradient of scikit-learn's single vector w.
    """
    import torch

    penalties = np.ones(labels.shape[:2])
    left = np.full(labels.shape[:2], -1, dtype=np.int64)
    for at, number in members.items():
        binary = problems[number].targets.max() == 1
        penalties[at] = (2.0 if binary else 1.0) / problems[number].strength
        left[at] = max_iter
    return Slots(labels, torch.from_numpy(penalties), torch.from_numpy(left))
