"""What training leaves: a network that predicts, its size, and what must be kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Prepared, Trainable
from bench.core.errors import DivergedError, NotApplicableError
from bench.core.method import Context, Scalar, Size
from bench.core.predictions import Predictions, softmax, spread
from bench.core.task import Input, Split
from bench.extract import extract

Module = Any  # torch.nn.Module: torch is imported where it is used


def linear(width: int, classes: int, seed: int, device: str) -> Module:
    """A head `(width, classes)`: weights of standard deviation 0.02 (BERT's), no bias yet."""
    import torch

    head = torch.nn.Linear(width, classes)
    random = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(head.weight, std=0.02, generator=random)
    torch.nn.init.zeros_(head.bias)
    return head.to(device)


def width_of(trainable: Trainable, inputs: Sequence[Input]) -> int:
    """Of the pooled features: what the description says, or one input tells."""
    import torch

    if trainable.width:
        return trainable.width
    with torch.inference_mode():
        batch = trainable.collate(trainable.prepare(inputs[:1]), np.zeros(1, dtype=np.int64))
        return int(trainable.network(batch).shape[1])


@dataclass(frozen=True, slots=True)
class Numbered:
    """A training split made ready: `targets` are positions in `seen`, numbered without gaps."""

    prepared: Prepared
    targets: NDArray[np.int64]
    seen: NDArray[np.int64]


def numbered(trainable: Trainable, train: Split) -> Numbered:
    """Make a training split ready."""
    seen, targets = np.unique(train.targets, return_inverse=True)
    return Numbered(trainable.prepare(train.inputs), targets.astype(np.int64), seen)


def with_validation(train: Split, patience: int, seed: int) -> tuple[Split, Split | None]:
    """What to learn from and what to stop by, a fifth of each class; nothing without patience.

    Not what a tuner holds out: a trial that was stopped by what it is judged by looks too good, and
    the fit that is chosen has nothing but this fifth.

    A class with one item keeps it for training. Where there are groups, whole ones are put aside
    that come near a fifth of each class, and a class in one group keeps it for training.
    """
    if not patience:
        return train, None
    random = np.random.default_rng(seed)
    if train.groups is None:
        held = []
        for c in np.unique(train.targets):
            items = random.permutation(np.flatnonzero(train.targets == c))
            held.append(items[: len(items) // 5 or min(1, len(items) - 1)])
        out = np.concatenate(held)
    else:
        out = np.flatnonzero(_in_groups_aside(train.targets, train.groups, random))
    if not len(out):
        return train, None
    rest = np.setdiff1d(np.arange(len(train)), out)
    return train.take(rest), train.take(np.sort(out))


def _in_groups_aside(
    targets: NDArray[np.int64], groups: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.bool_]:
    """Which items `(n,)` lie in groups to put aside: each that brings the shares of the classes
    nearer to a fifth, the nearest alone where none does, and never the last of a class."""
    _, of_class = np.unique(targets, return_inverse=True)
    names, of_group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), of_class.max() + 1))
    np.add.at(counts, (of_group, of_class), 1)
    whole = counts.sum(axis=0)

    def off(held: NDArray[np.float64]) -> float:
        return float(np.square(held / whole - 0.2).sum())

    held, aside = np.zeros_like(whole), np.zeros(len(names), dtype=bool)
    free = [g for g in random.permutation(len(names)) if (counts[g] < whole).all()]
    for group in free:
        more = held + counts[group]
        if (more < whole).all() and off(more) < off(held):
            held, aside[group] = more, True
    if free and not aside.any():
        aside[min(free, key=lambda g: off(counts[g]))] = True
    return aside[of_group]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained backbone with a linear head: `weights` `(m, width)` and `biases` `(m,)` over the
    `m` classes `seen` in training."""

    trainable: Trainable
    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    seen: NDArray[np.int64]
    context: Context
    trained: int
    shipped: int
    told: dict[str, Scalar]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        features = frozen_features(self.trainable, inputs, self.context, normalize=False)
        rows = softmax(features @ self.weights.T + self.biases)
        if not np.isfinite(rows).all():
            raise DivergedError("the network predicts NaN or Inf")
        return spread(rows, self.seen, self.context.classes)

    def size(self) -> Size:
        return Size(self.trained, self.shipped)

    def facts(self) -> dict[str, Scalar]:
        return self.told

    def state(self) -> dict[str, NDArray[Any]]:
        """The head, and the weights of the backbone that could change."""
        return {
            "head.weights": self.weights.astype(np.float32),
            "head.biases": self.biases.astype(np.float32),
            "seen": self.seen,
            **changed_weights(self.trainable.network),
        }


def finished(
    trainable: Trainable,
    head: Module,
    seen: NDArray[np.int64],
    context: Context,
    told: dict[str, Scalar] | None = None,
) -> Trained:
    """A trained network, to be predicted with: its sizes are those of what could change."""
    changed = [p for p in (*trainable.network.parameters(), *head.parameters()) if p.requires_grad]
    return Trained(
        trainable,
        head.weight.detach().double().cpu().numpy(),
        head.bias.detach().double().cpu().numpy(),
        seen,
        context,
        trained=sum(p.numel() for p in changed),
        shipped=sum(p.numel() * p.element_size() for p in changed),
        told=told or {},
    )


def changed_weights(network: Module) -> dict[str, NDArray[Any]]:
    """The weights that training could change, by `backbone.` and their names."""
    return {
        f"backbone.{name}": parameter.detach().float().cpu().numpy()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
    }


def put_weights(network: Module, state: Mapping[str, NDArray[Any]]) -> int:
    """Give a network the weights of `changed_weights`, which may change again; their number.

    Raises:
        NotApplicableError: if the network has no such weights: it is of another backbone.
    """
    import torch

    known = dict(network.named_parameters())
    given = {name.removeprefix("backbone."): a for name, a in state.items() if "backbone." in name}
    for name, array in given.items():
        if name not in known or tuple(known[name].shape) != array.shape:
            raise NotApplicableError(f"the backbone has no weight {name} of shape {array.shape}")
    with torch.no_grad():
        for name, parameter in known.items():
            parameter.requires_grad_(name in given and parameter.is_floating_point())
            if name in given:
                parameter.copy_(torch.from_numpy(given[name]))
    return sum(array.size for array in given.values())


def restored(trainable: Trainable, state: Mapping[str, NDArray[Any]], context: Context) -> Trained:
    """The fit that `Trained.state` is of, around a fresh copy of its backbone."""
    count = put_weights(trainable.network, state)
    weights, biases = state["head.weights"], state["head.biases"]
    count += weights.size + biases.size
    return Trained(
        trainable,
        weights.astype(np.float64),
        biases.astype(np.float64),
        state["seen"],
        context,
        trained=count,
        shipped=4 * count,
        told={},
    )


def frozen_features(
    trainable: Trainable, inputs: Sequence[Input], context: Context, *, normalize: bool
) -> NDArray[np.float32]:
    """Features `(n, width)` of the network as it is now, by way of the extraction's hot path."""
    backbone = trainable.frozen(normalize=normalize)
    return extract(backbone, inputs, context.device).features


def accuracy_of(
    trainable: Trainable, head: Module, held: Split, seen: NDArray[np.int64], context: Context
) -> float:
    """Share of `held` that the network has right now."""
    fitted = finished(trainable, head, seen, context)
    return float((fitted.predict(held.inputs).classes == held.targets).mean())
