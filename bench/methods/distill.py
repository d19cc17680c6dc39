"""A student learns what a teacher says: of labelled items, and of unlabelled ones of the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import NotApplicableError
from bench.core.inputs import chained, digests, taken
from bench.core.method import (
    Context,
    Fitted,
    Member,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Scalar,
)
from bench.core.task import Input, Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import groups, train_only
from bench.methods._training import Recipe
from bench.methods.finetune import PARTS

SPEC = MethodSpec(
    name="distill",
    version=1,
    summary="a student backbone trained on a teacher's probabilities, of unlabelled inputs too",
    needs=Needs.MODULE,
    members=(1, 1),
    parameters=(
        Parameter("softness", 2.0, "the temperature of both in the loss", low=0.1, high=100.0),
        Parameter("hard", 0.1, "share of the loss that the labels themselves have",
                  low=0.0, high=1.0),
        Parameter("match", 0.0, "weight of the distance to the teacher's features, linearly mapped",
                  low=0.0, high=100.0),
        Parameter("transfer", 2000, "unlabelled inputs of the training pool, at most", low=0),
        Parameter("trainable", "all", "all, last-N (blocks), bias, norm or head", choices=PARTS),
        *training.parameters(learning_rate=1e-4, head_learning_rate=1e-3),
        Parameter("layer_decay", 1.0, "by which each block learns slower than the one above",
                  low=0.1, high=1.0),
    ),
    search_space=(
        {},
        {"learning_rate": 2e-4},
        {"softness": 4.0},
        {"learning_rate": 5e-5},
        {"match": 1.0},
        {"epochs": 6},
    ),
    deterministic=False,
    reference="Hinton et al. 2015, arXiv:1503.02531; FitNets: Romero et al. 2015, arXiv:1412.6550",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Distill:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:
        return training.passes(parameters, items + int(parameters["transfer"]))

    def at_once(self, parameters: Parameters) -> int:
        return training.at_once(parameters)

    def restore(
        self,
        state: Mapping[str, NDArray[Any]],
        parameters: Parameters,  # noqa: ARG002 -- all that they decided is in the weights
        context: Context,
    ) -> Fitted:
        return trained.restored(context.trainable(), state, context)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,
        context: Context,
    ) -> Fitted:
        teacher = context.members[0]
        if validation is not None:  # whose labels the teacher has learned, and would pass on
            teacher = teacher.apart(train)
        inputs = transfer_set(train, validation, context, int(parameters["transfer"]))
        told = teacher.predict(inputs).probabilities  # before anything is seeded: it may be fitted
        seen = np.union1d(np.flatnonzero(told.max(axis=0) > 0), train.targets)
        trainable = context.trainable()
        train_only(trainable.network.encoder, str(parameters["trainable"]))
        width = trained.width_of(trainable, inputs)
        head = trained.linear(width, len(seen), context.seed, context.device)
        matched = None
        if float(parameters["match"]) > 0:
            matched = teacher_features(teacher, inputs)
        lesson = Lesson(inputs, told[:, seen], np.searchsorted(seen, train.targets), matched)
        epochs = learn(trainable, head, lesson, parameters, context)
        facts: dict[str, Scalar] = {
            "epochs": epochs,
            "teacher": teacher.label,
            "transfer": len(inputs) - len(train),
        }
        return trained.finished(trainable, head, seen, context, facts)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Inputs `(n,)`, the labelled ones first, with the teacher's probabilities `(n, m)`, the
    labels `(l,)` of the first, and the teacher's features `(n, w)` where they are matched."""

    inputs: Sequence[Input]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    features: NDArray[np.float32] | None


def transfer_set(
    train: Split, validation: Split | None, context: Context, most: int
) -> Sequence[Input]:
    """The labelled inputs, then at most `most` others of the pool, those held out left aside."""
    known = set(digests(train.inputs))
    if validation is not None:
        known |= set(digests(validation.inputs))
    pool = context.unlabelled
    names = digests(pool)
    order = np.random.default_rng(context.seed).permutation(len(pool))
    others: list[int] = []
    for at in order:
        if len(others) >= most:
            break
        if names[at] not in known:
            known.add(names[at])
            others.append(at)
    return chained(train.inputs, taken(pool, np.array(others, dtype=np.int64)))


def teacher_features(teacher: Member, inputs: Sequence[Input]) -> NDArray[np.float32]:
    """The teacher's features `(n, w)`, of length 1."""
    features = teacher.features(inputs)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), dtype=np.float32)


def learn(
    trainable: Any, head: Any, lesson: Lesson, parameters: Parameters, context: Context
) -> int:
    """Train the student; return the epochs taken.

    The loss of a batch is the mean of softness^2 KL(teacher || student), both at that temperature,
    mixed with the mean cross entropy of its labels where it has some, and the mean squared
    distance of features.

    Raises:
        DivergedError: if the loss is NaN or Inf.
    """
    import torch

    functional = torch.nn.functional
    softness, hard = float(parameters["softness"]), float(parameters["hard"])
    weight = float(parameters["match"])
    soft = torch.from_numpy(np.maximum(lesson.probabilities, 1e-8)).log() / softness
    soft = soft.softmax(dim=1).to(context.device)
    labels = np.full(len(lesson.inputs), -100, dtype=np.int64)  # cross entropy leaves these out
    labels[: len(lesson.labels)] = lesson.labels
    targets = torch.from_numpy(labels).to(context.device)
    prepared = trainable.prepare(lesson.inputs)
    parts = [trainable.network, head]
    outer = torch.nn.ModuleList([head])
    wanted = None
    if lesson.features is not None:
        width = head.in_features
        mapping = trained.linear(width, lesson.features.shape[1], context.seed + 1, context.device)
        wanted = torch.from_numpy(lesson.features).to(context.device)
        parts.append(mapping)
        outer.append(mapping)

    def loss(items: training.Items, batch: training.Items) -> training.Tensor:
        pooled = trainable.network(trainable.collate(prepared, items))
        logits, share = head(pooled), len(items) / len(batch)
        labelled, of = (np.count_nonzero(labels[some] >= 0) for some in (items, batch))
        scaled = functional.log_softmax(logits.float() / softness, dim=1)
        told = softness**2 * functional.kl_div(scaled, soft[items], reduction="batchmean")
        found = (1 - hard if of else 1.0) * share * told
        if labelled:  # a mean over labelled items: parts count by how many of these they have
            entropy = functional.cross_entropy(logits, targets[items])
            found = found + hard * (labelled / of) * entropy
        if wanted is not None:
            mapped = functional.normalize(parts[2](pooled).float(), dim=1)
            distance = (mapped - wanted[items]).square().sum(dim=1).mean()
            found = found + weight * share * distance
        return found

    optimised = groups(
        trainable.network.encoder,
        outer,
        (float(parameters["learning_rate"]), float(parameters["head_learning_rate"])),
        float(parameters["layer_decay"]),
        float(parameters["weight_decay"]),
    )
    if int(parameters["patience"]):
        raise NotApplicableError("distill does not stop early: set epochs")
    recipe = Recipe.of(parameters, len(lesson.inputs))
    module = torch.nn.ModuleList(parts)
    return training.descend(module, optimised, loss, prepared.lengths, recipe, context)


METHODS: tuple[Method, ...] = (Distill(),)
