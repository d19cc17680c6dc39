"""What a suite is: tasks x backbones x methods x draws x seeds under one budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen

from bench.core.backbone import Pooling, Weights
from bench.core.method import Scalar
from bench.core.task import Modality

Positive = Annotated[int, Ge(1)]
Name = Annotated[str, MinLen(1)]


class Sampling(StrEnum):
    """How a draw chooses its training items."""

    RANDOM = "random"  # one permutation serves every size: a draw of 16 lies in that of 64
    MTEB = "mteb"  # as MTEB's classification protocol shuffles, for its published numbers


class Precision(StrEnum):
    """Arithmetic of the forward pass; features are float32 in every case.

    A suite may say `auto`; a cell never does: it is decided once for each backbone and kind of
    device, and kept in the suite's lock file.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A precision that `auto` came to, and its drift: 1 - the least cosine with float32's features
    on the sample that decided."""

    precision: Precision
    drift: float


class Control(StrEnum):
    """Cells that must behave in a known way."""

    SHUFFLED_LABELS = "shuffled-labels"  # training labels permuted: kappa must be 0 within noise
    RANDOM_WEIGHTS = "random-weights"  # each backbone's untrained twin: must lose
    SELF = "self"  # the first method again under another seed: must tie


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRule:
    """Which part of the training pool a draw labels: all of it unless one size is given.

    Labels for choosing hyper-parameters come out of these; `validation_extra`
    more of them is a named exception, and the table counts them.
    """

    per_class: Positive | None = None
    size: Positive | None = None
    sampling: Sampling = Sampling.RANDOM
    validation_extra: Annotated[int, Ge(0)] = 0

    @property
    def full(self) -> bool:
        return self.per_class is None and self.size is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """One `[[task]]`: a task by name, or the user's own data (`data = ...`)."""

    name: Name
    train: TrainRule = field(default_factory=TrainRule)
    draws: Positive | None = None  # the suite's where it is None
    test_size: Positive | None = None
    main_metric: Name | None = None
    condition: Name | None = None  # what is done to test inputs, as "typos-3": see bench.tasks
    test_on: Name | None = None  # the task whose test split is taken: trained here, tested there
    # the user's own data
    modality: Modality | None = None
    data: Name | None = None
    optional: bool = False  # skipped, with the reason, where its data cannot be had
    test: Name | None = None
    split: Name | None = None
    group: Name | None = None
    time: Name | None = None
    test_share: Annotated[float, Ge(0.01)] = 0.25
    input: Name | None = None
    parts: dict[Modality, Name] = field(default_factory=dict)  # in place of input: a column each
    label: Name | None = None
    transcript: Name | None = None  # in place of label: a column of what is said in the sounds
    class_names: dict[str, str] = field(default_factory=dict)
    license: str = "not stated"

    @property
    def key(self) -> str:
        """What tells its data from those of other entries."""
        return self.name if self.test_on is None else f"{self.name} tested on {self.test_on}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneEntry:
    """One `[[backbone]]`: by name, or `hub:models/ORG/NAME@REVISION`, or `file:FOLDER`."""

    name: Name
    label: Name | None = None
    modality: Modality | None = None
    pooling: Pooling | None = None
    normalize: bool | None = None
    max_length: Positive | None = None
    layer: Positive | None = None  # of a speech encoder: states after so many blocks
    trim_db: Annotated[float, Gt(0)] | None = None  # of a speech encoder: silence at the ends
    weights: Weights = Weights.PRETRAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodEntry:
    """One `[[method]]`; whatever is not named here pins a parameter.

    `members` names other cells by "backbone / method" or, where no backbone takes part, by the
    method alone: the parts of an ensemble, a teacher. `backbones` are the labels of those it is
    tried on; of all where there are none.
    """

    name: Name
    label: Name | None = None
    backbones: tuple[Name, ...] = ()
    members: tuple[Name, ...] = ()
    parameters: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What every method of the suite may spend on one cell.

    `seconds` is a deadline, after which the worker is ended; `memory_gb` limits the private
    memory of the worker (10^9 bytes, libraries and kept data included: about 1 before any work).
    """

    trials: Positive = 1
    seconds: Annotated[float, Ge(1)] | None = None
    memory_gb: Annotated[float, Gt(0), Le(1e6)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A read suite. `folder` is where its `file:` URIs start."""

    name: Name
    folder: str
    version: Positive = 1
    description: str = ""
    draws: Positive = 1
    seeds: Positive = 1
    precision: Precision = Precision.FP32
    budget: Budget = field(default_factory=Budget)
    calibrate: bool = False
    compile: bool = False  # torch.compile in the forward pass of feature extraction
    deterministic: bool = False  # by algorithms that give the same bits every time, or fail
    retries: Annotated[int, Ge(0), Le(10)] = 1  # of failures that can pass: a killed worker
    controls: tuple[Control, ...] = ()
    tasks: tuple[TaskEntry, ...] = ()
    backbones: tuple[BackboneEntry, ...] = ()
    methods: tuple[MethodEntry, ...] = ()
