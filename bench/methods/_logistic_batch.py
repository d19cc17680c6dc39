"""From logistic regressions to batches of tensors: what is solved together, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.methods._logistic_descent import Data, Slots, round_up
from bench.methods._threads import pool

ELEMENTS = {"cpu": 4_000_000, "cuda": 200_000_000}
"""Weights and logits solved together at most: on a CPU, what the last level of cache can bear."""
PADDING = 1.25
"""Datasets are padded to a common number of rows; the longest is at most this times the
shortest."""
COPIERS = 4
"""Threads that write features for a GPU."""

Members: TypeAlias = dict[tuple[int, int], int]
"""Numbers of problems by their slot: dataset and path."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One regression: `features` `(n, d)`, `targets` `(n,)` with every class of 0..k-1, `strength`
    as scikit-learn's C.  Problems that hold the very same `features` array share its memory;
    with the very same `targets`, too, they are one path.
    """

    features: NDArray[np.floating]
    targets: NDArray[np.int64]
    strength: float


@dataclass(slots=True)
class Dataset:
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


def chunks(problems: Sequence[Problem], elements: int, *, apart: bool) -> Iterator[list[Dataset]]:
    """Datasets to be solved together: alike in shape, and not too many. `apart`: each problem is
    a path of its own.
    """
    datasets: dict[tuple[int, int], Dataset] = {}
    for number in sorted(range(len(problems)), key=lambda i: problems[i].strength):
        features, targets = problems[number].features, problems[number].targets
        classes = int(targets.max()) + 1
        fresh = Dataset(features, classes, {})
        dataset = datasets.setdefault((id(features), classes), fresh)
        dataset.paths.setdefault(number if apart else id(targets), []).append(number)
    chunk: list[Dataset] = []
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


def load(chunk: Sequence[Dataset], most: int, dtype: Any, device: str) -> Data:
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
    rows = _packed(chunk, (len(chunk), most, width), dtype, device)
    centers = rows.sum(1)[:, :dims] / counts
    rows[..., :dims] -= centers[:, None]
    if len({len(dataset.features) for dataset in chunk}) > 1:
        rows *= true[..., None]
    rows[..., -1] = true
    return Data(rows, counts, centers, None)


def _packed(chunk: Sequence[Dataset], shape: tuple[int, int, int], dtype: Any, device: str) -> Any:
    """Features `shape`, then zeros. To another device they go at once, each copy would wait, in
    half the bytes where nothing is lost by it, and to a GPU from pinned memory."""
    import torch

    far = device.startswith("cuda")
    wide = device == "cpu" or any(c.features.dtype.itemsize > 4 for c in chunk)  # bytes
    carried = dtype if wide else torch.float32
    packed = torch.empty(shape, dtype=carried, pin_memory=far)

    def fill(into: NDArray[np.floating], features: NDArray[np.floating]) -> None:
        n, dims = features.shape
        into[:n, :dims] = features
        into[:n, dims:] = into[n:] = 0

    parts = packed.numpy(), [dataset.features for dataset in chunk]
    if far and len(chunk) > 1:  # a core copies slower than the bus
        list(pool(min(len(chunk), COPIERS)).map(fill, *parts))
    else:
        list(map(fill, *parts))
    return packed.to(device, non_blocking=True).to(dtype)


def labels_of(problems: Sequence[Problem], chunk: Sequence[Dataset], data: Data) -> Any:
    """Targets `(D, M, n)` of the paths."""
    import torch

    shape = len(chunk), len(chunk[0].paths), data.rows.shape[1]
    labels = np.zeros(shape, dtype=np.int64)
    for i, dataset in enumerate(chunk):
        for j, path in enumerate(dataset.paths.values()):
            targets = problems[path[0]].targets
            labels[i, j, : len(targets)] = targets
    return torch.from_numpy(labels).to(data.rows.device)


def slots_of(problems: Sequence[Problem], members: Members, max_iter: int, labels: Any) -> Slots:
    """The problems of one round.

    Two classes are one softmax of twice the penalty: with weights -w/2 and w/2 it has the
    probabilities, the loss and the gradient of scikit-learn's single vector w.
    """
    penalties = np.ones(labels.shape[:2])
    left = np.full(labels.shape[:2], -1, dtype=np.int64)
    for at, number in members.items():
        binary = problems[number].targets.max() == 1
        penalties[at] = (2.0 if binary else 1.0) / problems[number].strength
        left[at] = max_iter
    return Slots(labels, penalties, left)


def rounds(chunk: Sequence[Dataset]) -> Iterator[Members]:
    """The problems that are solved at a time: of each path the next one."""
    longest = max(len(path) for dataset in chunk for path in dataset.paths.values())
    for step in range(longest):
        yield {
            (i, j): path[step]
            for i, dataset in enumerate(chunk)
            for j, path in enumerate(dataset.paths.values())
            if step < len(path)
        }
