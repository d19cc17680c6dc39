"""What a method is: a way to adapt a backbone to a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import LanguageModel, Trainable, Transcriber
from bench.core.errors import CellError, did_you_mean
from bench.core.predictions import ClassPredictions, Predictions, TextPredictions
from bench.core.task import Input, Modality, Split, TaskKind

Scalar: TypeAlias = bool | int | float | str
Parameters: TypeAlias = Mapping[str, Scalar]


class Needs(StrEnum):
    """What a method asks of its context."""

    INPUTS = "inputs"  # the raw inputs alone: no backbone takes part
    FEATURES = "features"  # frozen features of a backbone
    MODULE = "module"  # a backbone that can be trained
    LANGUAGE = "language-model"  # a backbone that finds texts likely or not
    SPEECH = "speech-model"  # a backbone that writes down what it hears
    MEMBERS = "members"  # what other cells of the suite came to: no backbone of its own


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named, bounded setting of a method. A bool, int, float or str, as its default is."""

    name: str
    default: Scalar
    help: str
    choices: tuple[Scalar, ...] = ()
    low: float | None = None
    high: float | None = None
    where: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)  # else it changes nothing

    def mistake(self, value: object) -> str | None:
        """Say what is wrong with `value`, or None."""
        wanted = type(self.default)
        right = isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            right = True
        if not right:
            return f"{value!r} is not a {wanted.__name__}"
        if self.choices and value not in self.choices:
            return f"{value!r} is not one of {', '.join(map(repr, self.choices))}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.low is not None and not value >= self.low:
                return f"{value!r} is below {self.low:g}"
            if self.high is not None and not value <= self.high:
                return f"{value!r} is above {self.high:g}"
        return None


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """The cheap description of a method.

    `search_space` is an ordered tuple of points, the first of which is the defaults;
    under a budget of `n` trials the runner tries the first `n`.
    """

    name: str
    version: int
    summary: str
    needs: Needs
    parameters: tuple[Parameter, ...] = ()
    search_space: tuple[Parameters, ...] = ({},)
    modalities: frozenset[Modality] = frozenset(Modality)
    kinds: frozenset[TaskKind] = frozenset({TaskKind.CLASSIFICATION})
    deterministic: bool = True
    reference: str = ""
    members: tuple[int, int] = (0, 0)  # other cells it builds on: so many at least, at most
    labels: bool = True  # whether it learns from labels at all

    @property
    def defaults(self) -> dict[str, Scalar]:
        return {parameter.name: parameter.default for parameter in self.parameters}

    def mistakes(self, given: Mapping[str, object]) -> list[tuple[str, str]]:
        """All mistakes of `given` parameters as (name, what is wrong)."""
        known = {parameter.name: parameter for parameter in self.parameters}
        found = []
        for name, value in given.items():
            if name not in known:
                found.append((name, f"unknown parameter{did_you_mean(name, known)}"))
            elif wrong := known[name].mistake(value):
                found.append((name, wrong))
        return found

    def typed(self, given: Parameters) -> dict[str, Scalar]:
        """`given` parameters without mistakes in the types of their defaults: 1 is 1.0 of a float,
        and no other setting."""
        return {
            name: float(value) if isinstance(self.defaults[name], float) else value
            for name, value in given.items()
        }

    def points(self, pinned: Parameters, trials: int) -> list[dict[str, Scalar]]:
        """The points to try, defaults first: pinned parameters stay, and what differs from an
        earlier point in nothing that is looked at goes."""
        found: dict[tuple[tuple[str, Scalar], ...], dict[str, Scalar]] = {}
        for point in self.search_space:
            full = {**self.defaults, **point, **pinned}
            found.setdefault(tuple(self.looked_at(full).items()), full)
        return list(found.values())[:trials]

    def looked_at(self, full: Parameters) -> dict[str, Scalar]:
        """Those of a whole set of parameters that change something beside the others."""
        read = (p for p in self.parameters if all(full[k] in v for k, v in p.where.items()))
        return {p.name: full[p.name] for p in read}


@dataclass(frozen=True, slots=True)
class Size:
    """What a fit trained and what it comes to.

    `trained` counts the weights that training could change; `shipped` is the bytes that must be
    handed over beside the backbone to predict.
    """

    trained: int
    shipped: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Items that were held out in tuning: their places `(h,)` among the labelled ones (the extra
    ones last), their targets `(h,)`, and what fits that had not seen them said, in order."""

    places: NDArray[np.int64]
    targets: NDArray[np.int64]
    predictions: ClassPredictions


class Member(Protocol):
    """Another cell of the suite, with the same labelled items: a part of an ensemble, a teacher."""

    @property
    def label(self) -> str: ...

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        """What its fit says of `inputs`: looked up where it has said so already."""
        ...

    def held_out(self) -> HeldOut:
        """What was held out when it was tuned.

        Raises:
            NotApplicableError: if nothing was.
        """
        ...

    def apart(self, train: Split) -> Member:
        """The same cell with the items `train`, some of its labelled ones, for all that it has
        learned from: what somebody who is judged by the others may build on."""
        ...

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        """Frozen features `(n, width)` of its backbone; rows of NaN where there is nothing to see.

        Raises:
            NotApplicableError: if it has none.
        """
        ...

    def present(self, inputs: Sequence[Input]) -> NDArray[np.bool_]:
        """Which inputs `(n,)` have the part that it looks at; of others it knows only how often
        each class was seen in training."""
        ...

    def size(self) -> Size | None:
        """What its fit trained and ships; None where its record does not tell."""
        ...


class Context(Protocol):
    """What the runner gives a method: its only way to backbones, features and randomness."""

    @property
    def classes(self) -> int: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def mixed(self) -> str | None:
        """The half precision ("bf16", "fp16") that training may compute in; None: float32."""
        ...

    @property
    def members(self) -> Sequence[Member]: ...

    @property
    def unlabelled(self) -> Sequence[Input]:
        """Inputs of the whole training pool, without their labels; never a test input."""
        ...

    @property
    def seed(self) -> int: ...

    @property
    def device(self) -> str: ...

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        """Frozen features `(n, width)` of the cell's backbone, in the order of `inputs`."""
        ...

    def trainable(self) -> Trainable:
        """A fresh copy of the cell's backbone, to be trained."""
        ...

    def language_model(self, *, fresh: bool = False) -> LanguageModel:
        """The cell's backbone as a language model, which is shared; `fresh`: a copy in float32,
        to be trained.

        Raises:
            NotApplicableError: if it is none.
        """
        ...

    def transcriber(self) -> Transcriber:
        """The cell's backbone as a speech model; it is shared, and `fresh` makes one to train.

        Raises:
            NotApplicableError: if it is none.
        """
        ...

    def scratch(self) -> Path | None:
        """A file name for what the next training of this fit leaves, so that a killed cell goes on;
        the same in the same place of another attempt. None: nothing is to be left."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """Say how far a long fit is."""
        ...


class Fitted(Protocol):
    """What `fit` returns: it can predict, and never saw a test label."""

    def predict(self, inputs: Sequence[Input]) -> Predictions: ...


@runtime_checkable
class Transcribes(Protocol):
    """A fit of a method for transcription: what it says counts, and `predict` is not asked."""

    def transcribe(self, inputs: Sequence[Input]) -> TextPredictions: ...


@runtime_checkable
class Sized(Protocol):
    """A fit that knows its size (None: it would, but for a member's). It is optional."""

    def size(self) -> Size | None: ...


@runtime_checkable
class Told(Protocol):
    """A fit with numbers of its own to tell (feedbacks, the transfer set). It is optional."""

    def facts(self) -> Mapping[str, Scalar]: ...


class Method(Protocol):
    """A method as a plugin: its description, and `fit` with bound parameters."""

    @property
    def spec(self) -> MethodSpec: ...

    def fit(
        self, parameters: Parameters, train: Split, validation: Split | None, context: Context
    ) -> Fitted:
        """Learn from `train`; `validation` is there only for early stopping and calibration.

        Raises:
            DivergedError: if learning gave NaN or Inf.
            NotApplicableError: if this task or backbone cannot be learned this way.
        """
        ...


@runtime_checkable
class Kept(Protocol):
    """A fit that can be handed over: what there is to it beside the backbone. It is optional."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Named arrays, from which `Restores.restore` makes a fit that predicts the same."""
        ...


@runtime_checkable
class Restores(Method, Protocol):
    """A method whose fits are `Kept`. It is optional."""

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        """The fit that `state` is of; `parameters` are those it was made with."""
        ...


@runtime_checkable
class Trains(Method, Protocol):
    """A method that trains a backbone, and says beforehand how much. It is optional."""

    def passes(self, parameters: Parameters, items: int) -> float:
        """How often an input is computed, forward and backward, in a fit of so many `items`."""
        ...

    def at_once(self, parameters: Parameters) -> int:
        """How many inputs are computed forward and backward at a time, at most."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One fit: what `Method.fit` gets, but for the context."""

    parameters: Parameters
    train: Split
    validation: Split | None = None


@runtime_checkable
class ManyMethod(Method, Protocol):
    """A method that fits many jobs at less than the sum of their costs. It is optional."""

    def batches(self, parameters: Parameters) -> bool:
        """Whether a fit with these parameters gains by company."""
        ...

    def fit_many(self, jobs: Sequence[Job], context: Context) -> list[Fitted | CellError]:
        """What `fit` would return or raise for each job: one that fails costs itself alone.

        Jobs that hold the very same `train` may share what is made of it.
        """
        ...
