"""One cell, top to bottom: load, extract, tune, fit, predict, score.

This is the only place where test targets meet predictions, and they meet after
`predict` has returned.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import methods
from bench.core.cell import Cell
from bench.core.draws import Draw, draw_items, shuffle_targets
from bench.core.errors import NotApplicableError
from bench.core.identity import derive_seed, generator
from bench.core.method import Method, Needs
from bench.core.predictions import ClassPredictions, Predictions
from bench.core.record import DataReport, PhaseName, Record, Status
from bench.core.scoring import all_scores, chance_levels
from bench.core.suite import Control
from bench.core.task import Input, Split
from bench.measure import Phases, peak, provenance, reset_peak
from bench.runner.identify import identity_fields, precision_of
from bench.runner.tune import Choice, choose, divide
from bench.runner.workbench import FeatureSource, Loaded, Workbench
from bench.stats import logme


@dataclass(frozen=True, slots=True)
class Result:
    """What one successful attempt gives, before it is stored."""

    record: Record
    predictions: Predictions
    targets: NDArray[np.int64]
    validation: ClassPredictions | None
    validation_items: NDArray[np.int64] | None  # positions in the training pool


class CellContext:
    """What a method sees of the world; see `bench.core.method.Context`."""

    def __init__(self, classes: int, seed: int, device: str, source: FeatureSource | None) -> None:
        self.classes, self.seed, self.device = classes, seed, device
        self._source = source

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        return self._sourced()(inputs)

    def module(self) -> object:
        return self._sourced().module()

    def _sourced(self) -> FeatureSource:
        if self._source is None:
            raise NotApplicableError("this method declared that it needs no backbone")
        return self._source


def execute(cell: Cell, attempt: int, bench: Workbench) -> Result:
    """Run one cell.

    Raises:
        CellError: a typed failure of the cell.
        UserError: if data or weights cannot be had.
    """
    phases = Phases()
    reset_peak(bench.device)
    seed = seed_everything(cell)
    method = methods.registry()[cell.method.name]
    with phases.phase(PhaseName.LOAD):
        loaded = bench.load(cell)
        draw, labelled = labelled_items(cell, loaded)
        test = test_split(loaded.splits.test, cell.task.test_size)
        source = None
        if method.spec.needs is not Needs.INPUTS:
            source = bench.feature_source(cell, loaded.splits.train)
    context = CellContext(len(loaded.splits.class_names), seed, bench.device, source)
    needed = [*labelled.inputs, *test.inputs]
    if source is not None and method.spec.needs is Needs.FEATURES:
        with phases.phase(PhaseName.EXTRACT):
            source(needed)
    learned = labelled.take(np.arange(len(labelled) - len(draw.extra)))
    choice = tuned(cell, method, labelled, draw, loaded, context, phases)
    with phases.phase(PhaseName.FIT):
        fitted = method.fit(choice.parameters, learned, None, context)
    with phases.phase(PhaseName.PREDICT):
        predictions = fitted.predict(test.inputs)
    predictions.check(len(test), context.classes)
    record = Record(
        **identity_fields(cell, attempt),
        main_metric=cell.task.main_metric or loaded.task.spec.main_metric,
        status=Status.OK,
        provenance=provenance(bench.device, precision_of(cell), deterministic=False),
        metrics=all_scores(predictions, test.targets, context.classes),
        chance=chance_levels(predictions, test.targets, context.classes),
        parameters=choice.parameters,
        trials=choice.trials,
        trials_budget=cell.budget.trials,
        phases=phases.seconds,
        extraction=source.meter.summary(source.facts(needed), cell.drift) if source else None,
        transferability=transferability(cell, method, learned, source, bench),
        backbone_parameters=source.parameters if source else 0,
        bytes_peak=(memory := peak(bench.device)).bytes_resident,
        bytes_peak_device=memory.bytes_allocated,
        data=data_report(cell, loaded, labelled, draw, test, choice),
    )
    items = None if choice.indices is None else pool_positions(draw)[choice.indices]
    return Result(record, predictions, test.targets, choice.validation, items)


def labelled_items(cell: Cell, loaded: Loaded) -> tuple[Draw, Split]:
    """The labelled items of the cell's draw (extra validation items last)."""
    pool = loaded.splits.train
    draw = draw_items(pool.targets, cell.task.train, cell.draw)
    labelled = pool.take(pool_positions(draw))
    if cell.control is Control.SHUFFLED_LABELS:
        shuffled = shuffle_targets(labelled.targets, cell.draw)
        labelled = Split(labelled.inputs, shuffled, labelled.groups)
    return draw, labelled


def pool_positions(draw: Draw) -> NDArray[np.int64]:
    """Positions in the training pool of labelled and extra items."""
    return np.concatenate([draw.labelled, draw.extra])


def test_split(test: Split, size: int | None) -> Split:
    """The test items of every cell of the task: all, or the same `size` of them."""
    if size is None or size >= len(test):
        return test
    chosen = generator("test", len(test)).permutation(len(test))[:size]
    return test.take(np.sort(chosen))


def tuned(
    cell: Cell,
    method: Method,
    labelled: Split,
    draw: Draw,
    loaded: Loaded,
    context: CellContext,
    phases: Phases,
) -> Choice:
    """Choose the parameters on validation data, within the budget."""
    points = method.spec.points(cell.method.parameters, cell.budget.trials)
    with phases.phase(PhaseName.TUNE):
        division = divide(labelled, len(draw.extra), loaded.task.spec.rare, cell.draw)
        metric = cell.task.main_metric or loaded.task.spec.main_metric
        return choose(method, points, labelled, division, context, metric)


def transferability(
    cell: Cell, method: Method, learned: Split, source: FeatureSource | None, bench: Workbench
) -> dict[str, float]:
    """LogME of the features that are there already, from the labels that were learned from.

    Once per backbone and draw, in no phase: no method pays for it. None of shuffled labels, and
    none for fewer than two classes.
    """
    if source is None or method.spec.needs is not Needs.FEATURES:
        return {}
    if cell.control is Control.SHUFFLED_LABELS or len(np.unique(learned.targets)) < 2:
        return {}
    key = (source.key, cell.fingerprint, cell.task.train, cell.draw)
    if key not in bench.evidence:
        bench.evidence[key] = logme(source(learned.inputs), learned.targets)
    return {"logme": bench.evidence[key]}


def data_report(
    cell: Cell, loaded: Loaded, labelled: Split, draw: Draw, test: Split, choice: Choice
) -> DataReport:
    """What the record says of the data."""
    names = loaded.splits.class_names
    return DataReport(
        fingerprint=cell.fingerprint,
        classes=len(names),
        labels=len(labelled) - len(draw.extra),
        labels_extra=len(draw.extra),
        test=len(test),
        tuning=choice.label,
        duplicates_train_test=loaded.duplicates,
        capped={names[c]: m for c, m in draw.capped.items()},
        rare={names[c]: m for c, m in choice.rare.items()},
        notes=dict(loaded.splits.notes),
    )


def seed_everything(cell: Cell) -> int:
    """Seed python, numpy and torch for one cell, and return its seed."""
    import torch

    seed = derive_seed("cell", cell.seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries still use the global state
    torch.manual_seed(seed)
    return seed
