"""A linear probe first, then fine-tuning from there: no random head distorts the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.task import Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods import finetune
from bench.methods._layers import train_only

SPEC = replace(
    finetune.SPEC,
    name="probe-then-finetune",
    version=1,
    summary="logistic regression on frozen features, then fine-tuning that starts from it (LP-FT)",
    parameters=(
        *finetune.SPEC.parameters,
        Parameter("C", 10.0, "inverse strength of the probe's L2 penalty", low=1e-6, high=1e6),
    ),
    search_space=(
        {},
        {"learning_rate": 2e-4},
        {"C": 1.0},
        {"learning_rate": 2e-5, "head_learning_rate": 2e-5},
        {"learning_rate": 1e-4, "layer_decay": 0.8},
    ),
    needs=Needs.MODULE,
    reference="Kumar et al. 2022, arXiv:2202.10054",
)


@dataclass(frozen=True, slots=True)
class ProbeThenFinetune:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:
        return training.passes(parameters, items)

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
        validation: Split | None,  # noqa: ARG002 -- chosen by, and so not to be stopped by, too
        context: Context,
    ) -> Fitted:
        trainable = context.trainable()
        splits = trained.with_validation(train, int(parameters["patience"]), context.seed)
        learned, _ = splits
        features = trained.frozen_features(trainable, learned.inputs, context, normalize=False)
        head = probe(features, learned, float(parameters["C"]), context)
        train_only(trainable.network.encoder, str(parameters["trainable"]))
        return finetune.tune_network(trainable, head, parameters, splits, context)


def probe(features: Any, train: Split, strength: float, context: Context) -> Any:
    """A linear head `(width, m)` with the weights of a logistic regression on `features`."""
    import torch

    from bench.methods._logistic import Problem, solve

    seen, targets = np.unique(train.targets, return_inverse=True)
    head = trained.linear(features.shape[1], len(seen), context.seed, context.device)
    if len(seen) == 1:
        return head
    # a probe that fits few items without loss would leave nothing to train by: the penalty is that
    # of `probe`, of features of length 1
    size = np.sqrt(np.mean(np.sum(np.square(features), axis=1)))
    (found,) = solve([Problem(features / size, targets.astype(np.int64), strength)])
    weights, biases = found.weights / size, found.intercepts
    if len(seen) == 2:  # one vector: a softmax of it and nothing
        weights = np.concatenate([-weights, weights]) / 2
        biases = np.concatenate([-biases, biases]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights))
        head.bias.copy_(torch.from_numpy(biases))
    return head


METHODS: tuple[Method, ...] = (ProbeThenFinetune(),)
