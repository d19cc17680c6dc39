"""Low-rank adapters and their relatives, by way of peft."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Trainable
from bench.core.errors import NotApplicableError
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
from bench.core.predictions import Predictions
from bench.core.task import Input, Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import blocks
from bench.methods._prefix import with_peft, with_prefix
from bench.methods.finetune import tune_network

ATTENTION = ("attention", "attn")
"""Parts of a module's path that say that it belongs to attention."""
SCALED = ("key", "value", "k", "v", "k_proj", "v_proj")
"""Ends of the paths of what IA3 scales: keys and values."""
MIDDLE = ("output.dense", "fc2")
"""And of what reads the middle of the feed-forward part, which it scales too."""

RANKED = {"kind": ("lora", "dora")}
"""Where there are adapters of a rank."""

SPEC = MethodSpec(
    name="lora",
    version=1,
    summary="adapters (LoRA, DoRA), scales (IA3) or a prefix on a frozen backbone, + a head",
    needs=Needs.MODULE,
    parameters=(
        Parameter("kind", "lora", "lora, dora, ia3 or prefix (texts only)",
                  choices=("lora", "dora", "ia3", "prefix")),
        Parameter("rank", 8, "of the adapters", low=1, high=1024, where=RANKED),
        Parameter("alpha", 16, "adapters are scaled by alpha / rank", low=1, high=4096,
                  where=RANKED),
        Parameter(
            "targets",
            "all",
            "what is adapted: every linear layer, or those of attention",
            choices=("all", "attention"),
            where={"kind": ("lora", "dora", "ia3")},
        ),
        Parameter("adapter_dropout", 0.05, "before the adapters", low=0.0, high=0.9, where=RANKED),
        Parameter("prefix", 20, "keys and values before a text in each layer, of kind prefix",
                  low=1, high=1024, where={"kind": ("prefix",)}),
        *training.parameters(learning_rate=1e-3, head_learning_rate=1e-3),
        Parameter("layer_decay", 1.0, "by which each block learns slower than the one above",
                  low=0.1, high=1.0),
        Parameter("dropout", 0.1, "before the head", low=0.0, high=0.9),
    ),
    search_space=(
        {},
        {"learning_rate": 3e-4},
        {"rank": 16, "alpha": 32},
        {"learning_rate": 3e-3},
        {"kind": "dora"},
        {"targets": "attention"},
    ),
    deterministic=False,
    reference="Hu et al. 2022, arXiv:2106.09685; DoRA: arXiv:2402.09353; IA3: arXiv:2205.05638;"
    " prefix: Li & Liang 2021, arXiv:2101.00190, in encoders arXiv:2110.07602",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Adapted:
    """A fit whose adapters were merged: it predicts at the backbone's own cost. A prefix stays."""

    inner: trained.Trained
    adapters: dict[str, NDArray[Any]]  # or the prefix, by their names before they were merged

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        return self.inner.predict(inputs)

    def size(self) -> Size:
        return Size(self.inner.trained, self.inner.shipped)

    def facts(self) -> dict[str, Scalar]:
        size = sum(array.nbytes for array in self.adapters.values())
        return {**self.inner.told, "bytes_adapter": size}

    def state(self) -> dict[str, NDArray[Any]]:
        """The adapters as they were before they were merged, and the head."""
        head = {
            name: array
            for name, array in self.inner.state().items()
            if not name.startswith("backbone.")
        }
        return {**head, **self.adapters}


@dataclass(frozen=True, slots=True)
class Lora:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:
        return training.passes(parameters, items)

    def at_once(self, parameters: Parameters) -> int:
        return training.at_once(parameters)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- chosen by, and so not to be stopped by, too
        context: Context,
    ) -> Fitted:
        trainable = context.trainable()
        width = trained.width_of(trainable, train.inputs)
        adapted(trainable, parameters, context.seed)
        head = trained.linear(width, len(np.unique(train.targets)), context.seed, context.device)
        splits = trained.with_validation(train, int(parameters["patience"]), context.seed)
        fitted = tune_network(trainable, head, parameters, splits, context)
        return merged(trainable, fitted)

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        trainable = context.trainable()
        adapted(trainable, parameters, context.seed)
        return merged(trainable, trained.restored(trainable, state, context))


def merged(trainable: Trainable, fitted: trained.Trained) -> Adapted:
    """A fit with its adapters folded into the weights that they adapt; with its prefix, if it has
    one, for which no weights stand."""
    adapters = trained.changed_weights(trainable.network)
    if hasattr(trainable.network.encoder, "merge_and_unload"):
        trainable.network.encoder = trainable.network.encoder.merge_and_unload()
    return Adapted(fitted, adapters)


def adapted(trainable: Trainable, parameters: Parameters, seed: int) -> None:
    """Put adapters into the encoder, or a prefix before it: all that may change there.

    Raises:
        NotApplicableError: if the encoder has nothing to adapt.
    """
    encoder = trainable.network.encoder
    if parameters["kind"] == "prefix":
        trainable.network.encoder = with_prefix(encoder, int(parameters["prefix"]), seed)
    else:
        trainable.network.encoder = with_adapters(encoder, parameters, seed)


def with_adapters(encoder: Any, parameters: Parameters, seed: int) -> Any:
    """A network of transformers' with adapters in it, the only weights there that may change.

    Raises:
        NotApplicableError: if it has nothing to adapt.
    """
    import peft
    import torch

    torch.manual_seed(seed)  # the adapters' start
    names = targets(encoder, str(parameters["targets"]))
    if parameters["kind"] == "ia3":
        scaled = [name for name in names if name.endswith(tuple(f".{end}" for end in SCALED))]
        middle = [
            name
            for name in names
            if name.endswith(tuple(f".{end}" for end in MIDDLE))
            and not any(word in name.lower() for word in ATTENTION)
        ]
        if not scaled and not middle:
            raise NotApplicableError("IA3 knows no keys, values or feed-forward parts here")
        config: Any = peft.IA3Config(target_modules=[*scaled, *middle], feedforward_modules=middle)
    else:
        config = peft.LoraConfig(
            r=int(parameters["rank"]),
            lora_alpha=int(parameters["alpha"]),
            lora_dropout=float(parameters["adapter_dropout"]),
            target_modules=names,
            use_dora=parameters["kind"] == "dora",
            fan_in_fan_out=type(encoder.get_submodule(names[0])).__name__ == "Conv1D",
        )
    return with_peft(encoder, config)


def targets(encoder: Any, what: str) -> list[str]:
    """Names of the layers inside the blocks that are adapted: linear ones, and convolutions of
    one pixel, which are linear layers too.

    Raises:
        NotApplicableError: if there are none.
    """
    import torch
    from transformers.pytorch_utils import Conv1D  # GPT-2's linear layer, weights turned

    prefix, _ = blocks(encoder)
    found = []
    for name, module in encoder.named_modules():
        point = isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1)
        if not name.startswith(f"{prefix}.") or not (
            isinstance(module, torch.nn.Linear | Conv1D) or (point and module.groups == 1)
        ):
            continue
        if what == "all" or any(word in name.lower() for word in ATTENTION):
            found.append(name)
    if not found:
        raise NotApplicableError(f"the backbone has no layers to adapt ({what})")
    return found


METHODS: tuple[Method, ...] = (Lora(),)
