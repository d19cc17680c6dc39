"""A language model scores the classes: how likely is each name after the text, with examples."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from bench.core.predictions import ClassPredictions, Predictions, softmax
from bench.core.task import Input, Modality, Split

SPEC = MethodSpec(
    name="prompt",
    version=2,  # 1: the space before a name was one of its letters
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
class Asked:
    """A prompt, how many examples it shows, and whether something was left out of it: examples, or
    where even the text is too long for the model, by that, the beginning."""

    prompt: str
    examples: int
    cut: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands before a text: the instruction, and examples with their classes."""

    instruction: str
    examples: tuple[str, ...]

    def before(self, text: str, count: int) -> str:
        """A text behind the instruction and the last `count` of the examples."""
        parts = [self.instruction] if self.instruction else []
        parts += self.examples[len(self.examples) - count :]
        return "".join(f"{part}\n\n" for part in parts) + text

    def fitted(self, text: str, model: LanguageModel, room: int) -> Asked:
        """A text behind as many of the examples as there are tokens for."""
        count = len(self.examples)
        whole = self.before(text, count)
        if model.tokens(whole) <= room:
            return Asked(whole, count, cut=False)
        fit = bisect_right(range(count), room, key=lambda n: model.tokens(self.before(text, n)))
        return Asked(self.before(text, max(fit - 1, 0)), max(fit - 1, 0), cut=True)


@dataclass(frozen=True, slots=True)
class Prompted:
    """A context with examples, and the classes' names `(k,)` as they would go on.

    It tells how many examples stood before the texts that it was asked of last, on average, and
    what share of these prompts had room for less than all there is.
    """

    model: LanguageModel
    shown: Shown
    template: str
    endings: tuple[str, ...]
    by_length: bool
    told: dict[str, Scalar] = field(default_factory=dict)

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        texts = [self.template.replace("{}", str(text)) for text in inputs]
        room = self.model.room(self.endings)
        asked = [self.shown.fitted(text, self.model, room) for text in texts]
        if asked:
            self.told["examples_shown"] = float(np.mean([one.examples for one in asked]))
            self.told["prompts_cut"] = float(np.mean([one.cut for one in asked]))
        scores = self.model.likelihoods([one.prompt for one in asked], self.endings)
        by = divisors(self.endings, by_length=self.by_length)
        return ClassPredictions(softmax(scores / by).astype(np.float32))

    def size(self) -> Size:
        return Size(0, len(self.shown.before("", len(self.shown.examples)).encode("utf-8")))

    def facts(self) -> dict[str, Scalar]:
        return self.told

    def state(self) -> dict[str, NDArray[Any]]:
        """The examples, as a list in JSON; the instruction is a parameter."""
        examples = json.dumps(self.shown.examples).encode("utf-8")
        return {"examples": np.frombuffer(examples, dtype=np.uint8)}


@dataclass(frozen=True, slots=True)
class Prompt:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        shown = restored(state, parameters)
        return prompted(context.language_model(), shown, parameters, context)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        items = in_turn(train.targets, int(parameters["examples"]), context.seed)
        shown = shown_of(parameters, train, items, endings_of(context))
        return prompted(context.language_model(), shown, parameters, context)


def prompted(
    model: LanguageModel, shown: Shown, parameters: Parameters, context: Context
) -> Prompted:
    """A fit around a model as it is now."""
    template, by_length = str(parameters["template"]), parameters["normalise"] == "length"
    return Prompted(model, shown, template, endings_of(context), by_length)


def shown_of(
    parameters: Parameters, train: Split, items: Sequence[int], endings: Sequence[str]
) -> Shown:
    """What stands before a text: the instruction, and these items with their classes."""
    template = str(parameters["template"])
    examples = tuple(
        template.replace("{}", str(train.inputs[item])) + endings[train.targets[item]]
        for item in items
    )
    return Shown(str(parameters["instruction"]), examples)


def restored(state: Mapping[str, NDArray[Any]], parameters: Parameters) -> Shown:
    """What `Prompted.state` is of."""
    examples = json.loads(state["examples"].tobytes().decode("utf-8"))
    return Shown(str(parameters["instruction"]), tuple(examples))


def endings_of(context: Context) -> tuple[str, ...]:
    """The names of the classes as they would go on."""
    return tuple(f" {name.replace('_', ' ')}" for name in context.class_names)


def divisors(endings: Sequence[str], *, by_length: bool) -> NDArray[np.float64]:
    """What the log likelihoods of endings are divided by `(k,)`: their letters, or 1."""
    return np.array([float(len(ending.strip())) if by_length else 1.0 for ending in endings])


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
