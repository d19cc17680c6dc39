"""Fine-tuning: a linear head on the pooled backbone, and gradients through both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Augments, Trainable
from bench.core.errors import NotApplicableError
from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.task import Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import groups, train_only
from bench.methods._trained import Trained
from bench.methods._training import Recipe

PARTS = ("all", "head", "bias", "norm", *(f"last-{n}" for n in range(1, 13)))

SPEC = MethodSpec(
    name="finetune",
    version=1,
    summary="the backbone's weights, or a part of them, trained with a linear head",
    needs=Needs.MODULE,
    parameters=(
        Parameter("trainable", "all", "all, last-N (blocks), bias, norm or head", choices=PARTS),
        *training.parameters(learning_rate=5e-5, head_learning_rate=1e-3),
        Parameter("layer_decay", 1.0, "by which each block learns slower than the one above",
                  low=0.1, high=1.0),
        Parameter("dropout", 0.1, "before the head", low=0.0, high=0.9),
        Parameter("augment", "none", "what is done to images each time they are learned from",
                  choices=("none", "flip", "shift", "flip+shift")),
    ),
    search_space=(
        {},
        {"learning_rate": 2e-4},
        {"learning_rate": 1e-4, "layer_decay": 0.8},
        {"learning_rate": 2e-5},
        {"learning_rate": 1e-4, "epochs": 6},
        {"trainable": "last-2", "learning_rate": 2e-4},
    ),
    deterministic=False,
    reference="Devlin et al. 2019, arXiv:1810.04805; Mosbach et al. 2021, arXiv:2006.04884",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finetune:
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
        if parameters["augment"] != "none":
            augment(trainable, str(parameters["augment"]), context.seed)
        train_only(trainable.network.encoder, str(parameters["trainable"]))
        width = trained.width_of(trainable, train.inputs)
        head = trained.linear(width, len(np.unique(train.targets)), context.seed, context.device)
        splits = trained.with_validation(train, int(parameters["patience"]), context.seed)
        return tune_network(trainable, head, parameters, splits, context)


def augment(trainable: Trainable, kinds: str, seed: int) -> None:
    """Have inputs changed a little each time they are learned from.

    Raises:
        NotApplicableError: if the backbone reads something that is not changed so.
    """
    if not isinstance(trainable, Augments):
        raise NotApplicableError("augment is of images")
    trainable.augment(kinds, seed)


def tune_network(
    trainable: Trainable,
    head: Any,
    parameters: Parameters,
    splits: tuple[Split, Split | None],
    context: Context,
) -> Trained:
    """Train what may change in `trainable`, and `head`, by cross entropy; `splits` are what is
    learned from and what training is stopped by.

    Raises:
        DivergedError: if the loss is NaN or Inf.
    """
    import torch

    learned, held = splits
    data = trained.numbered(trainable, learned)
    targets = torch.from_numpy(data.targets).to(context.device)
    dropout = torch.nn.Dropout(float(parameters["dropout"]))
    model = torch.nn.ModuleList([trainable.network, dropout, head])

    def loss(items: training.Items) -> training.Tensor:
        pooled = trainable.network(trainable.collate(data.prepared, items))
        return torch.nn.functional.cross_entropy(head(dropout(pooled)), targets[items])

    rates = float(parameters["learning_rate"]), float(parameters["head_learning_rate"])
    epochs = training.descend(
        model,
        groups(
            trainable.network.encoder,
            head,
            rates,
            float(parameters["layer_decay"]),
            float(parameters["weight_decay"]),
        ),
        training.of_means(loss),
        data.prepared.lengths,
        Recipe.of(parameters, len(learned)),
        context,
        None
        if held is None
        else lambda: trained.accuracy_of(trainable, head, held, data.seen, context),
    )
    return trained.finished(trainable, head, data.seen, context, {"epochs": epochs})


METHODS: tuple[Method, ...] = (Finetune(),)
