"""What a worker keeps between cells: loaded data, one loaded backbone, features."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import backbones, tasks
from bench.backbones import Plugin
from bench.backbones.compiled import compile_forward
from bench.core.backbone import (
    Backbone,
    BackboneSpec,
    LanguageModel,
    Trainable,
    Transcriber,
    Weights,
)
from bench.core.cell import Cell
from bench.core.errors import DataError, NotApplicableError
from bench.core.identity import digest, generator
from bench.core.inputs import digests, taken
from bench.core.record import Extraction
from bench.core.suite import Precision
from bench.core.task import Input, Modality, Split, Splits, Task
from bench.extract import (
    EXTRACTION_VERSION,
    Budgets,
    FeatureCache,
    TokenCache,
    default_budget,
    extract,
)
from bench.measure import EnergyWindow
from bench.measure.environment import device_name
from bench.store import Store

CALIBRATION_ITEMS = 256
"""Unlabelled training inputs that set the batch norms of an untrained twin."""
CACHES_KEPT = 4

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task with its data and what was counted once."""

    task: Task
    splits: Splits
    duplicates: int


@dataclass(frozen=True, slots=True)
class Loading:
    """A backbone, and how it is loaded. `calibration` are inputs for the norms of its twin."""

    plugin: Plugin
    precision: Precision
    calibration: Sequence[Input]
    compile: bool

    def __call__(self, device: str) -> Backbone:
        """Load it."""
        found = self.plugin.load(device, self.precision, self.calibration)
        return compile_forward(found) if self.compile else found


@dataclass(slots=True)
class Meter:
    """What extraction cost the cell in hand; see `bench.core.record.Extraction`."""

    items_computed: int = 0
    seconds: float = 0.0
    units: float = 0.0
    padding: list[float] = field(default_factory=list)
    batches: int = 0
    budget: int | None = None
    halvings: int = 0

    def summary(self, facts: NDArray[np.float64], drift: float | None = None) -> Extraction:
        """The record's view; `facts` `(n, 3)` are seconds, units and truncation by item needed."""
        fresh = self.items_computed > 0 and self.seconds > 0
        return Extraction(
            items=len(facts),
            items_computed=self.items_computed,
            seconds=self.seconds,
            seconds_charged=float(facts[:, 0].sum()),
            items_per_second=self.items_computed / self.seconds if fresh else None,
            units_per_second=self.units / self.seconds if fresh else None,
            padding_share=float(np.mean(self.padding)) if self.padding else None,
            truncated_share=float(facts[:, 2].mean()) if len(facts) else None,
            batches=self.batches,
            budget=self.budget,
            drift=drift,
            halvings=self.halvings,
        )


class Workbench:
    """Loads each thing once for all the cells that share it."""

    def __init__(
        self, device: str, cache: Path, report: Report, store: Store | None = None
    ) -> None:
        self.device, self.store = device, store
        self._cache = cache
        self.report = report
        self._loaded: dict[str, Loaded] = {}
        self._backbone: tuple[str, Backbone] | None = None
        self._language: tuple[str, LanguageModel] | None = None
        self._speech: tuple[str, Transcriber] | None = None
        self._features: dict[str, FeatureCache] = {}
        self.tokens = TokenCache(cache / "tokens")
        self.budgets = Budgets(cache / "budgets.json")
        self.halvings = 0  # of batch budgets, for a cell that was out of memory before
        self.energy_window: Callable[[str], EnergyWindow] = EnergyWindow
        self.evidence: dict[Hashable, float] = {}  # LogME by features and labels

    def load(self, cell: Cell) -> Loaded:
        """The cell's task with its data, checked.

        Raises:
            DataError: if the data do not have what the task needs, or are not those of the cell.
        """
        if cell.fingerprint not in self._loaded:
            task = tasks.build(cell.task, Path(cell.folder), cell.pins)
            if task.spec.fingerprint != cell.fingerprint:
                raise DataError(
                    f"task {task.spec.name!r}: its data have changed since this run was planned; "
                    "start it again"
                )
            splits = task.load()
            tasks.check(splits, task.spec)
            self._loaded.clear()  # cells come ordered by task: one is enough
            found = Loaded(task, splits, tasks.duplicates_across(splits))
            self._loaded[cell.fingerprint] = found
        return self._loaded[cell.fingerprint]

    def reads(self, cell: Cell) -> Modality | None:
        """What the cell's backbone reads; None where none takes part."""
        if cell.backbone is None:
            return None
        return backbones.build(cell.backbone, Path(cell.folder), cell.pins).spec.modality

    def feature_source(self, cell: Cell, pool: Split) -> FeatureSource:
        """Features of the cell's backbone; `pool` is the training pool, for calibration alone."""
        if cell.backbone is None:
            raise ValueError("a cell without a backbone has no features")
        plugin = backbones.build(cell.backbone, Path(cell.folder), cell.pins)
        calibrates = plugin.calibrates and plugin.spec.weights is Weights.RANDOM
        key = digest(
            {
                "backbone": plugin.spec.identity,
                "precision": cell.precision.value,
                "device": self.device,
                "extraction": EXTRACTION_VERSION,
                "calibrated_on": cell.fingerprint if calibrates else None,
                **({"compile": True} if cell.compile else {}),
            }
        )
        if key not in self._features:
            while len(self._features) >= CACHES_KEPT:
                self._features.pop(next(iter(self._features)))
            self._features[key] = FeatureCache(self._cache / "features", key)
        calibration = calibration_inputs(pool) if calibrates else []
        loading = Loading(plugin, cell.precision, calibration, cell.compile)
        return FeatureSource(self, loading, key, self._features[key])

    def backbone(self, key: str, loading: Loading) -> Backbone:
        """The loaded backbone of `key`; one is kept."""
        if self._backbone is None or self._backbone[0] != key:
            self._backbone = None
            self.report(f"loading {loading.plugin.spec.name}", 0, 1)
            self._backbone = key, loading(self.device)
        return self._backbone[1]

    def language_model(self, key: str, load: Callable[[], LanguageModel]) -> LanguageModel:
        """The loaded language model of `key`; one is kept."""
        if self._language is None or self._language[0] != key:
            self._language = None
            self._language = key, load()
        return self._language[1]

    def speech_model(self, key: str, load: Callable[[], Transcriber]) -> Transcriber:
        """The loaded speech model of `key`; one is kept."""
        if self._speech is None or self._speech[0] != key:
            self._speech = None
            self._speech = key, load()
        return self._speech[1]

    def scratch(self, run_id: str) -> Path:
        """Where a cell leaves what its next attempt may take up."""
        return self._cache / "scratch" / run_id

    def budget(self, backbone: Backbone, precision: Precision) -> int | None:
        """The batch budget that was found for a backbone here (`bench throughput` finds it), or
        a smaller one; None for the default."""
        found = self.budgets.find(budget_name(backbone.spec, self.device, precision))
        if not self.halvings:
            return found
        return max(1, (found or default_budget(backbone, self.device)) >> self.halvings)


class FeatureSource:
    """Features by content: what is cached is read, what is missing is extracted."""

    def __init__(
        self,
        bench: Workbench,
        loading: Loading,
        key: str,
        cache: FeatureCache,
    ) -> None:
        self._bench, self._loading, self.key, self._cache = bench, loading, key, cache
        self._plugin, self._precision = loading.plugin, loading.precision
        self._asked: dict[bytes, None] = {}
        self.meter = Meter()

    def __call__(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        """Features `(n, width)`, in the order of `inputs`; an input that stands twice is computed
        once."""
        return self._take(inputs)[0]

    @property
    def parameters(self) -> int | None:
        """Of the backbone, as far as its description says."""
        spec = self._plugin.spec
        return spec.parameters if spec.parameters or not spec.assets else None

    def extraction(self, drift: float | None) -> Extraction | None:
        """What was asked for and what it cost; None where nothing was."""
        if not self._asked:
            return None
        return self.meter.summary(self._facts(), drift)

    @property
    def owed(self) -> float:
        """Seconds that cached features cost when they were computed, beyond those spent now."""
        if not self._asked:
            return 0.0
        return max(float(self._facts()[:, 0].sum()) - self.meter.seconds, 0.0)

    def trainable(self) -> Trainable:
        """A fresh copy of the backbone in float32, to be trained (and not compiled)."""
        loading = replace(self._loading, precision=Precision.FP32)
        return self._bench.backbone(self._key_in(Precision.FP32), loading).trainable()

    def language_model(self, *, fresh: bool = False) -> LanguageModel:
        """The backbone as a language model; one is kept. `fresh`: a copy in float32, to be trained.

        Raises:
            NotApplicableError: if it is none.
        """
        load = getattr(self._plugin, "language_model", None)
        if load is None:
            raise NotApplicableError(f"{self._plugin.spec.name} is no language model")
        precision = Precision.FP32 if fresh else self._precision
        found = self._bench.language_model(
            self._key_in(precision), lambda: load(self._bench.device, precision)
        )
        return found.fresh() if fresh else found

    def transcriber(self) -> Transcriber:
        """The backbone as a speech model, in float32; one is kept.

        Raises:
            NotApplicableError: if it is none.
        """
        load = getattr(self._plugin, "transcriber", None)
        if load is None:
            raise NotApplicableError(f"{self._plugin.spec.name} writes down no speech")
        return self._bench.speech_model(self.key, lambda: load(self._bench.device))

    def _key_in(self, precision: Precision) -> str:
        """What the backbone in a precision is kept under."""
        return self.key if precision is self._precision else f"{self.key} in {precision.value}"

    def _facts(self) -> NDArray[np.float64]:
        """Seconds, units and truncation `(n, 3)` of each input that was asked for."""
        return self._cache.take(list(self._asked))[1]

    def _take(self, inputs: Sequence[Input]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        names = digests(inputs)
        self._asked.update(dict.fromkeys(names))
        if missing := self._cache.missing(names):
            self._extract(taken(inputs, np.array(missing)), [names[i] for i in missing])
        return self._cache.take(names)

    def _extract(self, inputs: Sequence[Input], names: list[bytes]) -> None:
        backbone = self._bench.backbone(self.key, self._loading)
        name, total = self._plugin.spec.name, len(inputs)
        slow_start = self._loading.compile or self._bench.device != "cpu"
        if slow_start and not self.meter.items_computed:
            extract(backbone, inputs[:1], self._bench.device)  # kernels are made by their first use
        self._bench.report(f"extracting with {name}", 0, total)
        extracted = extract(
            backbone,
            inputs,
            self._bench.device,
            lambda done: self._bench.report(f"extracting with {name}", done, total),
            budget=self._bench.budget(backbone, self._precision),
            tokens=self._bench.tokens,
        )
        self._cache.add(names, extracted)
        self.meter.items_computed += extracted.computed
        self.meter.budget = extracted.budget
        self.meter.halvings += extracted.halvings
        self.meter.seconds += extracted.seconds
        self.meter.units += float(extracted.lengths.sum())
        self.meter.padding.append(extracted.padding_share)
        self.meter.batches += extracted.batches


def budget_name(spec: BackboneSpec, device: str, precision: Precision) -> str:
    """What a batch budget is of: a backbone by what decides its work, a device, a precision."""
    return f"{spec.name} in {precision.value} on {device_name(device)}, {digest(spec.identity)[:8]}"


def calibration_inputs(pool: Split) -> Sequence[Input]:
    """The same few training inputs for every draw; their labels are not looked at."""
    n = len(pool)
    return taken(pool.inputs, generator("calibration", n).permutation(n)[:CALIBRATION_ITEMS])
