"""A language model scores the classes: how likely is each name after the text, with examples."""

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
    Size,
)
from bench.core.predictions import ClassPredictions, Predictions, softmax
from bench.core.task import Input, Modality, Split

SPEC = MethodSpec(
    name="prompt",
    version=1,
    summary="a decoder language model scores the classes' names, with examples in its context",
    needs=Needs.LANGUAGE,
    parameters=(
        Parameter("examples", 8, "labelled items in the context, classes in turn", low=0, high=512),
        Parameter("instruction", "", "what stands before the examples"),
        Parameter("template", "Text: {}\nClass:", "of an item; {} is its text, the class follows"),
        Parameter(
            "normalise",
            "length",
            "log likelihoods: their sum, or divided by the letters of the name",
            choices=("sum", "length"),
        ),
    ),
    search_space=({}, {"normalise": "sum"}, {"examples": 0}, {"examples": 16}),
    modalities=frozenset({Modality.TEXT}),
    deterministic=False,
    reference="Brown et al. 2020, arXiv:2005.14165",
)


@dataclass(frozen=True, slots=True)
class Prompted:
    """A context with examples, and the classes' names `(k,)` as they would go on."""

    model: LanguageModel
    before: str
    template: str
    endings: tuple[str, ...]
    by_length: bool

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        prompts = [self.before + self.template.replace("{}", str(text)) for text in inputs]
        scores = self.model.likelihoods(prompts, self.endings)
        by = divisors(self.endings, by_length=self.by_length)
        return ClassPredictions(softmax(scores / by).astype(np.float32))

    def size(self) -> Size:
        return Size(0, len(self.before.encode("utf-8")))

    def state(self) -> dict[str, NDArray[Any]]:
        """What stands before each text, as UTF-8."""
        return {"before": np.frombuffer(self.before.encode("utf-8"), dtype=np.uint8)}


@dataclass(frozen=True, slots=True)
class Prompt:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        before = state["before"].tobytes().decode("utf-8")
        by_length = parameters["normalise"] == "length"
        model, template = context.language_model(), str(parameters["template"])
        return Prompted(model, before, template, endings_of(context), by_length)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        endings, template = endings_of(context), str(parameters["template"])
        shown = in_turn(train.targets, int(parameters["examples"]), context.seed)
        before = shown_before(parameters, train, shown, endings)
        by_length = parameters["normalise"] == "length"
        return Prompted(context.language_model(), before, template, endings, by_length)


def shown_before(
    parameters: Parameters, train: Split, shown: Sequence[int], endings: Sequence[str]
) -> str:
    """What stands before a text: the instruction, and the items `shown` with their classes."""
    template = str(parameters["template"])
    parts = [str(parameters["instruction"])] if parameters["instruction"] else []
    for item in shown:
        text = template.replace("{}", str(train.inputs[item]))
        parts.append(text + endings[train.targets[item]])
    return "".join(f"{part}\n\n" for part in parts)


def endings_of(context: Context) -> tuple[str, ...]:
    """The names of the classes as they would go on."""
    return tuple(f" {name.replace('_', ' ')}" for name in context.class_names)


def divisors(endings: Sequence[str], *, by_length: bool) -> NDArray[np.float64]:
    """What the log likelihoods of endings are divided by `(k,)`: their letters, or 1."""
    return np.array([float(len(ending)) if by_length else 1.0 for ending in endings])


def in_turn(targets: NDArray[np.int64], count: int, seed: int) -> list[int]:
    """Positions of `count` items or all, the classes in turn, in a random order of the seed's."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(targets))
    by_class = [order[targets[order] == c] for c in np.unique(targets)]
    rounds = sorted(
        (rank, int(random.integers(2**31)), int(item))
        for items in by_class
        for rank, item in enumerate(items)
    )
    return [item for _, _, item in rounds[:count]]


METHODS: tuple[Method, ...] = (Prompt(),)
