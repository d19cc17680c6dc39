"""What a task is: a labelled problem with its splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.core.asset import Asset
from bench.core.identity import digest
from bench.core.inputs import taken

Input: TypeAlias = Any
"""One input: a `str`, an array (an image `(h, w)` or `(h, w, 3)` uint8, or a row of a table `(d,)`
float32 with NaN where a value is not known), a `Sound`, or a `Joined` of these."""


class Modality(StrEnum):
    """What an input is."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    TABLE = "table"
    SEVERAL = "several"  # inputs of several parts: `TaskSpec.parts`


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One channel of sound: samples `(t,)` float32 from -1 to 1, at `rate` samples a second.

    The rate is the recording's own; a backbone resamples to the one it was trained on.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @property
    def content(self) -> tuple[NDArray[np.float32], int]:
        """What names it (`bench.core.identity.item_digest`)."""
        return self.samples, self.rate


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """One input of several parts, by name; a part that is None is missing."""

    parts: Mapping[str, Input]

    @property
    def content(self) -> tuple[Input, ...]:
        """What names it (`bench.core.identity.item_digest`)."""
        return tuple(x for name in sorted(self.parts) for x in (name, self.parts[name]))


@runtime_checkable
class Parted(Protocol):
    """Inputs kept part by part, so that one part is had without decoding the others."""

    def part(self, name: str) -> Sequence[Input]:
        """That part of every input, in order."""
        ...


class TaskKind(StrEnum):
    """What a target is, and with it which predictions and metrics fit."""

    CLASSIFICATION = "classification"  # one class of k
    TRANSCRIPTION = "transcription"  # what is said: targets are positions among the transcripts


class RareRule(StrEnum):
    """What a task does with classes too small to stand in every split."""

    ERROR = "error"  # a class missing from a split is an error
    TRAIN_ONLY = "train-only"  # classes under 3 training items stay out of validation
    NO_CLASSES = "no-classes"  # targets that mostly stand once (transcripts): nothing is balanced


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """The cheap description of a task; `train_size`, `test_size` and `units` feed the forecast.

    `units` is the mean size of an input in what its backbones count: tokens of a
    text, 1 for an image or a sound. `settings` is whatever else decides the splits (columns,
    shares). `parts`: where inputs are `Joined`, what each part is, one of a modality.
    """

    name: str
    version: int
    modality: Modality
    summary: str
    assets: tuple[Asset, ...]
    kind: TaskKind = TaskKind.CLASSIFICATION
    main_metric: str = "accuracy"
    rare: RareRule = RareRule.ERROR
    train_size: int = 0
    test_size: int = 0
    classes: int = 0
    units: float = 1.0
    settings: Mapping[str, object] | None = None
    parts: Mapping[str, Modality] = field(default_factory=dict)

    def part(self, modality: Modality) -> str | None:
        """The part of an input that is of a modality; None where there is none."""
        return next((name for name, of in self.parts.items() if of is modality), None)

    def reads(self, modality: Modality) -> bool:
        """Whether what reads this modality has something to read."""
        return modality is self.modality or self.part(modality) is not None

    @property
    def fingerprint(self) -> str:
        """sha256 over name, version, the digests of the data and the settings that divide it.

        Raises:
            ValueError: if an asset is not pinned yet.
        """
        assets = [asset.digest for asset in self.assets]
        return digest([self.name, self.version, assets, dict(self.settings or {})])


@dataclass(frozen=True, slots=True)
class Split:
    """Inputs with their targets: `(n,)` int64 class ids for classification, and for transcription
    positions in the task's list of transcripts.

    `groups` `(n,)` names what must not be divided between splits (a film, a customer).
    `places` `(n,)`, of labelled items, are their positions among all that the cell has: what tells
    them where the same input stands twice.
    """

    inputs: Sequence[Input]
    targets: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    places: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The items at `indices` `(m,)`, in that order; what is encoded stays so."""
        return Split(
            inputs=taken(self.inputs, indices),
            targets=self.targets[indices],
            groups=None if self.groups is None else self.groups[indices],
            places=None if self.places is None else self.places[indices],
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """A loaded task: the whole training pool and the test split, and what loading noticed.

    `notes` holds counts that belong in the record (dropped rows, ...).
    """

    train: Split
    test: Split
    class_names: tuple[str, ...]
    notes: Mapping[str, int | float | str] = field(default_factory=dict)


class Task(Protocol):
    """A task: its description, and its data on demand."""

    @property
    def spec(self) -> TaskSpec: ...

    def load(self) -> Splits:
        """Read the data (fetching its assets where needed).

        Raises:
            AssetError: if the bytes cannot be had.
            DataError: if they do not have what the task needs.
        """
        ...


@runtime_checkable
class CountsItself(Protocol):
    """A task whose sizes no description states, and that can count them before it is run."""

    def sized(self) -> TaskSpec:
        """The description with its sizes, as far as they can be told without a download.

        Raises:
            DataError: if the data do not have what the task needs.
        """
        ...
