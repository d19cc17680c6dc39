"""Contrastive few-shot: pairs of one class are drawn together, others apart; then a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Trainable
from bench.core.errors import DivergedError
from bench.core.method import (
    Context,
    Fitted,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Scalar,
    Size,
)
from bench.core.predictions import Predictions, spread
from bench.core.task import Input, Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import groups
from bench.methods._training import Recipe
from bench.methods.probe import fit_quietly, logistic

SPEC = MethodSpec(
    name="setfit",
    version=1,
    summary="contrastive fine-tuning on pairs of few labelled items, then logistic regression",
    needs=Needs.MODULE,
    parameters=(
        Parameter("learning_rate", 2e-5, "of the backbone's weights", low=0.0, high=1.0),
        Parameter("pairs", 20, "of each kind, alike and unlike, an item and epoch", low=1),
        Parameter("most_pairs", 4000, "an epoch, at most", low=2),
        Parameter("epochs", 1, "passes over the pairs", low=1, high=1000),
        Parameter("batch_size", 16, "pairs a step", low=1, high=65_536),
        Parameter("accumulate", 1, "parts a batch is computed in, to save memory", low=1),
        Parameter("warmup", 0.1, "share of the steps in which rates rise", low=0.0, high=1.0),
        Parameter("weight_decay", 0.01, "of AdamW", low=0.0, high=10.0),
        Parameter("C", 1.0, "inverse strength of the head's L2 penalty", low=1e-6, high=1e6),
    ),
    search_space=(
        {},
        {"learning_rate": 5e-5},
        {"pairs": 10},
        {"learning_rate": 1e-5},
        {"C": 10.0},
    ),
    deterministic=False,
    reference="Tunstall et al. 2022, arXiv:2209.11055",
)


@dataclass(frozen=True, slots=True)
class Contrasted:
    """The trained backbone, and logistic regression on its features, scaled to length 1."""

    trainable: Trainable
    model: Any  # scikit-learn's; None where training had one class
    seen: NDArray[np.int64]
    context: Context
    trained: int  # of the backbone's weights
    told: dict[str, Scalar]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        if self.model is None:
            rows = np.ones((len(inputs), 1))
        else:
            features = trained.frozen_features(self.trainable, inputs, self.context, normalize=True)
            rows = self.model.predict_proba(features)
        if not np.isfinite(rows).all():
            raise DivergedError("the network predicts NaN or Inf")
        return spread(rows, self.seen, self.context.classes)

    def size(self) -> Size:
        head = [] if self.model is None else [self.model.coef_, self.model.intercept_]
        shipped = 4 * self.trained + sum(array.nbytes for array in head)
        return Size(self.trained + sum(array.size for array in head), shipped)

    def facts(self) -> dict[str, Scalar]:
        return self.told

    def state(self) -> dict[str, NDArray[Any]]:
        """The trained backbone and the head."""
        head = {}
        if self.model is not None:
            head = {"head.weights": self.model.coef_, "head.biases": self.model.intercept_}
        return {"seen": self.seen, **head, **trained.changed_weights(self.trainable.network)}


@dataclass(frozen=True, slots=True)
class SetFit:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:
        pairs = min(2 * int(parameters["pairs"]) * items, int(parameters["most_pairs"]))
        return 2.0 * pairs * int(parameters["epochs"])

    def at_once(self, parameters: Parameters) -> int:
        return 2 * training.at_once(parameters)

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        trainable = context.trainable()
        count = trained.put_weights(trainable.network, state)
        model = head_of(state, parameters, context.seed)
        return Contrasted(trainable, model, state["seen"], context, count, {})

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- the number of pairs is a parameter
        context: Context,
    ) -> Fitted:
        trainable = context.trainable()
        seen, targets = np.unique(train.targets, return_inverse=True)
        pairs = draw_pairs(
            targets, int(parameters["pairs"]), int(parameters["most_pairs"]), context.seed
        )
        if len(pairs):
            contrast(trainable, train, targets, pairs, parameters, context)
        count = sum(p.numel() for p in trainable.network.parameters() if p.requires_grad)
        model = None
        if len(seen) > 1:
            model = logistic(parameters["C"], 1000, context.seed)
            features = trained.frozen_features(trainable, train.inputs, context, normalize=True)
            fit_quietly(model, features, targets)
        told: dict[str, Scalar] = {"pairs": len(pairs)}
        return Contrasted(trainable, model, seen, context, count, told)


def head_of(state: Mapping[str, NDArray[Any]], parameters: Parameters, seed: int) -> Any:
    """The logistic regression of a state; None where training had one class."""
    if "head.weights" not in state:
        return None
    model = logistic(parameters["C"], 1000, seed)
    model.coef_, model.intercept_ = state["head.weights"], state["head.biases"]
    model.classes_ = np.arange(len(state["seen"]))
    return model


def draw_pairs(targets: NDArray[np.int64], each: int, most: int, seed: int) -> NDArray[np.int64]:
    """Pairs `(m, 2)` of items: for each item `each` of its own class and `each` of others, never
    an item with itself; at most `most`, as many of both kinds as there can be.

    A class of one item has no pairs of its own, one class alone no unlike ones.
    """
    random = np.random.default_rng(seed)
    alike, unlike = [], []
    for item, c in enumerate(targets):
        own = np.flatnonzero(targets == c)
        own, others = own[own != item], np.flatnonzero(targets != c)
        if len(own):
            alike += [(item, j) for j in random.choice(own, each)]
        if len(others):
            unlike += [(item, j) for j in random.choice(others, each)]
    kinds = [np.array(kind, dtype=np.int64).reshape(-1, 2) for kind in (alike, unlike)]
    share = most // max(1, sum(len(kind) > 0 for kind in kinds))
    kept = [kind[np.sort(random.permutation(len(kind))[:share])] for kind in kinds]
    return np.concatenate(kept)


def contrast(
    trainable: Trainable,
    train: Split,
    targets: NDArray[np.int64],
    pairs: NDArray[np.int64],
    parameters: Parameters,
    context: Context,
) -> None:
    """Train the backbone so that the cosine of a pair is 1 where it is alike and else 0.

    The loss is the mean squared difference, sentence-transformers' CosineSimilarityLoss. A text
    that stands in several pairs of a batch is computed once.

    Raises:
        DivergedError: if the loss is NaN or Inf.
    """
    import torch

    prepared = trainable.prepare(train.inputs)
    goal = torch.from_numpy((targets[pairs[:, 0]] == targets[pairs[:, 1]]).astype(np.float32))
    goal = goal.to(context.device)
    head = torch.nn.Identity()

    def loss(items: training.Items) -> training.Tensor:
        texts, where = np.unique(pairs[items], return_inverse=True)
        pooled = trainable.network(trainable.collate(prepared, texts))
        pooled = torch.nn.functional.normalize(pooled.float(), dim=1)
        left, right = pooled[where.reshape(-1, 2)[:, 0]], pooled[where.reshape(-1, 2)[:, 1]]
        return torch.nn.functional.mse_loss((left * right).sum(dim=1), goal[items])

    recipe = Recipe(
        epochs=int(parameters["epochs"]),
        batch_size=int(parameters["batch_size"]),
        accumulate=int(parameters["accumulate"]),
        warmup=float(parameters["warmup"]),
        patience=0,
    )
    rate = float(parameters["learning_rate"])
    optimised = groups(
        trainable.network.encoder, head, (rate, rate), 1.0, float(parameters["weight_decay"])
    )
    lengths = prepared.lengths[pairs].max(axis=1)
    mean = training.of_means(loss)
    training.descend(trainable.network, optimised, mean, lengths, recipe, context)


METHODS: tuple[Method, ...] = (SetFit(),)
