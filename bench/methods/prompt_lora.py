"""A language model that scores the classes, as in `prompt`, with adapters trained to do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import LanguageModel
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
from bench.core.task import Input, Modality, Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import groups
from bench.methods._training import Recipe
from bench.methods.lora import with_adapters
from bench.methods.prompt import SPEC as PROMPT
from bench.methods.prompt import (
    Asked,
    Prompted,
    divisors,
    endings_of,
    in_turn,
    prompted,
    restored,
    shown_of,
)

SPEC = MethodSpec(
    name="prompt-lora",
    version=2,  # 1: the space before a name was one of its letters
    summary="low-rank adapters (LoRA) in a decoder language model that scores the classes' names",
    needs=Needs.LANGUAGE,
    parameters=(
        Parameter("examples", 0, "labelled items in the context, classes in turn", low=0, high=512),
        *(one for one in PROMPT.parameters if one.name != "examples"),
        Parameter("rank", 8, "of the adapters", low=1, high=1024),
        Parameter("alpha", 16, "adapters are scaled by alpha / rank", low=1, high=4096),
        Parameter(
            "targets",
            "all",
            "what is adapted: every linear layer, or those of attention",
            choices=("all", "attention"),
        ),
        Parameter("adapter_dropout", 0.05, "before the adapters", low=0.0, high=0.9),
        *(
            one
            for one in training.parameters(learning_rate=1e-3, head_learning_rate=1e-3)
            if one.name != "head_learning_rate"  # the layer that says tokens stays as it is
        ),
    ),
    search_space=(
        {},
        {"learning_rate": 3e-4},
        {"normalise": "sum"},
        {"examples": 4},
        {"rank": 16, "alpha": 32},
    ),
    modalities=frozenset({Modality.TEXT}),
    deterministic=False,
    reference="Hu et al. 2022, arXiv:2106.09685; the loss: Liu et al. 2022, arXiv:2205.05638",
)


@dataclass(frozen=True, slots=True)
class AdaptedPrompted:
    """A fit whose adapters were merged: it predicts at the cost of `prompt`."""

    inner: Prompted
    adapters: dict[str, NDArray[Any]]  # by their names before they were merged
    told: dict[str, Scalar]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        return self.inner.predict(inputs)

    def size(self) -> Size:
        adapters = self.adapters.values()
        shipped = self.inner.size().shipped + sum(array.nbytes for array in adapters)
        return Size(sum(array.size for array in adapters), shipped)

    def facts(self) -> dict[str, Scalar]:
        return {**self.told, **self.inner.facts()}

    def state(self) -> dict[str, NDArray[Any]]:
        """The adapters as they were before they were merged, and the examples."""
        return {**self.inner.state(), **self.adapters}


@dataclass(frozen=True, slots=True)
class PromptLora:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:
        return training.passes(parameters, items) * (1 + int(parameters["examples"]))

    def at_once(self, parameters: Parameters) -> int:
        return training.at_once(parameters) * (1 + int(parameters["examples"]))

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        model = adapted(parameters, context)
        trained.put_weights(model.network, state)
        return merged(prompted(model, restored(state, parameters), parameters, context), {})

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- chosen by, and so not to be stopped by, too
        context: Context,
    ) -> Fitted:
        model, endings = adapted(parameters, context), endings_of(context)
        patience, examples = int(parameters["patience"]), int(parameters["examples"])
        learned, held = trained.with_validation(train, patience, context.seed)
        order = in_turn(learned.targets, examples + 1, context.seed)
        shown = shown_of(parameters, learned, order[:examples], endings)
        fitted = prompted(model, shown, parameters, context)
        asked = asked_of(model, parameters, learned, order, endings)
        prompts = [one.prompt for one in asked]
        judge = None if held is None else lambda: accuracy_of(fitted, held)
        epochs = descend(model, prompts, learned.targets, parameters, context, judge)
        cut = float(np.mean([one.cut for one in asked]))
        return merged(fitted, {"epochs": epochs, "training_prompts_cut": cut})


def asked_of(
    model: LanguageModel,
    parameters: Parameters,
    learned: Split,
    order: Sequence[int],
    endings: Sequence[str],
) -> list[Asked]:
    """What each item is learned from: the text in its context, which never shows the item itself.

    `order` has one item more than is shown, so that every context has as many.
    """
    examples, template = int(parameters["examples"]), str(parameters["template"])
    found, room = [], model.room(endings)
    for item, text in enumerate(learned.inputs):
        others = [other for other in order if other != item][:examples]
        shown = shown_of(parameters, learned, others, endings)
        found.append(shown.fitted(template.replace("{}", str(text)), model, room))
    return found


def descend(
    model: LanguageModel,
    prompts: Sequence[str],
    targets: NDArray[np.int64],
    parameters: Parameters,
    context: Context,
    judge: training.Judge | None,
) -> int:
    """Train the adapters by cross entropy over the classes; return the epochs taken.

    The logits are what `prompt` predicts from: log likelihoods of the classes' names, divided by
    their letters or not (L_LN of Liu et al. 2022, arXiv:2205.05638, which divides by tokens).

    Raises:
        DivergedError: if the loss is NaN or Inf.
    """
    import torch

    endings, by_length = endings_of(context), parameters["normalise"] == "length"
    right = torch.from_numpy(targets).to(context.device)
    by = torch.from_numpy(divisors(endings, by_length=by_length)).to(context.device)

    def loss(items: training.Items) -> training.Tensor:
        scores = model.scores([prompts[i] for i in items], endings)
        return torch.nn.functional.cross_entropy(scores / by, right[items]).float()

    rate, decay = float(parameters["learning_rate"]), float(parameters["weight_decay"])
    return training.descend(
        model.network,
        groups(model.network, torch.nn.ModuleList(), (rate, 0.0), 1.0, decay),
        training.of_means(loss),
        np.ones(len(prompts), dtype=np.int64),  # prompts are computed one by one: nothing is padded
        Recipe.of(parameters, len(prompts)),
        context,
        judge,
    )


def adapted(parameters: Parameters, context: Context) -> LanguageModel:
    """A fresh copy of the language model with adapters, the only weights there that may change."""
    model = context.language_model(fresh=True)
    model.network = with_adapters(model.network, {**parameters, "kind": "lora"}, context.seed)
    return model


def accuracy_of(fitted: Prompted, held: Split) -> float:
    """Share of `held` that the model has right now."""
    return float((fitted.predict(held.inputs).classes == held.targets).mean())


def merged(fitted: Prompted, told: dict[str, Scalar]) -> AdaptedPrompted:
    """A fit with its adapters folded into the weights that they adapt."""
    adapters = trained.changed_weights(fitted.model.network)
    fitted.model.network = fitted.model.network.merge_and_unload().eval()
    return AdaptedPrompted(fitted, adapters, told)


METHODS: tuple[Method, ...] = (PromptLora(),)
