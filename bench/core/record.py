"""What a record is: what one attempt at a cell gave. Immutable, and plain data throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bench.core.inert import clean
from bench.core.method import Scalar

SCHEMA = 1
"""Version of the record file; a change of meaning adds a numbered migration in `bench.store`."""


NAMES = 32_768
"""Characters of all class names of a record, at most: half of what a published one may take."""


class Status(StrEnum):
    """How an attempt ended."""

    OK = "ok"
    FAILED = "failed"


class PhaseName(StrEnum):
    """The timed parts of a cell."""

    LOAD = "load"
    EXTRACT = "extract"
    TUNE = "tune"
    FIT = "fit"
    PREDICT = "predict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What feature extraction cost this cell.

    `seconds` is wall time spent now on `items_computed` of the `items` needed;
    `seconds_charged` adds what the cached rest cost when it was computed, so that a
    cache does not make a method look cheap.  Rates are of computed items alone,
    end to end (raw inputs in, features out), and None when nothing was computed:
    a cache hit is never a throughput.
    """

    items: int
    items_computed: int
    seconds: float
    seconds_charged: float
    items_per_second: float | None
    units_per_second: float | None
    padding_share: float | None
    truncated_share: float | None
    batches: int
    budget: int | None = None  # tokens or images a batch, at most
    drift: float | None = None  # where the precision was chosen: 1 - the least cosine with fp32
    halvings: int = 0  # times that the budget was halved, the device being out of memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point of the search space, tried on validation data."""

    parameters: dict[str, Scalar]
    score: float | None
    seconds: float
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """What the data looked like, as it was used."""

    fingerprint: str
    classes: int
    labels: int  # labelled training items, those used for choosing included
    labels_extra: int  # validation items beyond them (a named setting)
    test: int
    tuning: str  # how hyper-parameters were chosen: "none", "holdout 25 %", "4-fold"
    duplicates_train_test: int  # test items whose content stands in the training pool
    capped: dict[str, int] = field(default_factory=dict)  # classes with fewer items than asked
    rare: dict[str, int] = field(default_factory=dict)  # classes kept out of validation
    notes: dict[str, Scalar] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()  # by class id, as `names_kept` has them; (): not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt failed: a kind to count by, a sentence, and the last lines of output."""

    kind: str
    message: str
    tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where and with what it ran. Never a user, a host, a home path, a variable or a token."""

    date: str  # UTC, ISO 8601
    commit: str | None
    dirty: bool | None
    python: str
    system: str
    cpu: str
    threads: int
    device: str  # "cpu" or "cuda"
    device_name: str
    driver: str | None
    precision: str
    deterministic: bool
    packages: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One attempt at one cell."""

    schema: int
    run_id: str
    attempt: int
    suite: str
    task: str
    modality: str
    backbone: str
    method: str
    draw: int
    seed: int
    control: str | None
    needs_backbone: bool
    main_metric: str
    identity: dict[str, object]
    status: Status
    provenance: Provenance
    metrics: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, Scalar] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    trials_budget: int = 1
    phases: dict[str, float] = field(default_factory=dict)  # seconds by PhaseName
    extraction: Extraction | None = None
    transferability: dict[str, float] = field(default_factory=dict)  # of the features, untrained
    backbone_parameters: int | None = None  # 0 where no backbone takes part; None: not known
    trainable_parameters: int | None = None  # weights that training could change; None: not known
    bytes_shipped: int | None = None  # beside the backbone, to predict; None: not known
    members: dict[str, str] = field(default_factory=dict)  # labels of members to their run ids
    members_seconds: float = 0.0  # charged for members and teachers, their tuning included
    facts: dict[str, Scalar] = field(default_factory=dict)  # what the method itself tells
    bytes_peak: int | None = None  # peak resident set of the worker in this cell
    bytes_peak_device: int | None = None
    energy_joules: float | None = (
        None  # of the whole board in this attempt's phases; None: not known
    )
    data: DataReport | None = None
    predictions: str | None = None  # sha256 of the predictions file
    failure: Failure | None = None

    @property
    def seconds(self) -> float:
        """Wall seconds of all phases as they were spent."""
        return sum(self.phases.values())

    @property
    def seconds_charged(self) -> float:
        """Wall seconds with cached extraction, and members, charged at what they cost."""
        phase = self.phases.get(PhaseName.EXTRACT.value, 0.0)
        return self.seconds - phase + self.extract_charged + self.members_seconds

    @property
    def extract_charged(self) -> float:
        """Seconds of extraction, cached or not, beside those in other phases. The start of the
        backbone is nobody's: whoever comes first waits for it, and in another order another."""
        phase = self.phases.get(PhaseName.EXTRACT.value, 0.0)
        if self.extraction is None:
            return phase
        cached = self.extraction.seconds_charged - self.extraction.seconds
        return cached + min(self.extraction.seconds, phase)


def names_kept(names: Sequence[str]) -> tuple[str, ...]:
    """Class names as a record has them: one line each without what cannot be seen; none at all
    where they are more than `NAMES`, and a reader makes do with the ids."""
    kept = tuple(map(clean, names))
    return kept if sum(map(len, kept)) <= NAMES else ()
