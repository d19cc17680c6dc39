"""One cell, top to bottom: load, extract, tune, fit, predict, score.

This is the only place where test targets meet predictions, and they meet after
`predict` has returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import methods
from bench.core.backbone import LanguageModel, Trainable, Transcriber
from bench.core.cell import Cell
from bench.core.draws import Draw
from bench.core.errors import NotApplicableError
from bench.core.inputs import chained, present, taken
from bench.core.method import Fitted, HeldOut, Member, Method, Needs, Sized, Told, Transcribes
from bench.core.predictions import ClassPredictions, Outcome
from bench.core.record import DataReport, PhaseName, Record, Status, names_kept
from bench.core.scoring import all_scores, chance_levels
from bench.core.suite import Control, Precision
from bench.core.task import Input, Split, TaskKind
from bench.measure import Phases, peak, provenance, reset_peak
from bench.runner.determinism import deterministic, seed_everything
from bench.runner.identify import identity_fields, precision_of
from bench.runner.items import labelled_items, pool_positions, tested_items
from bench.runner.members import Making, MemberError, StoredMember, View, known_of, record_of
from bench.runner.parts import narrowed, part_of, predict, shares
from bench.runner.tune import Choice, Division, choose, divide
from bench.runner.workbench import FeatureSource, Loaded, Report, Workbench
from bench.stats import calibration, logme, temperature, tempered


@dataclass(frozen=True, slots=True)
class Result:
    """What one successful attempt gives, before it is stored."""

    record: Record
    predictions: Outcome
    targets: NDArray[np.int64]
    validation: ClassPredictions | None
    validation_items: NDArray[np.int64] | None  # positions in the training pool
    class_names: tuple[str, ...]  # of a transcription: the task's transcripts


class CellContext:
    """What a method sees of the world; see `bench.core.method.Context`."""

    def __init__(
        self,
        class_names: Sequence[str],
        seed: int,
        device: str,
        source: FeatureSource | None,
        *,
        mixed: str | None = None,
        unlabelled: Sequence[Input] = (),
        members: Sequence[Member] = (),
        report: Report = lambda *_: None,
        scratch: Path | None = None,
    ) -> None:
        self.class_names = tuple(class_names)
        self.classes, self.seed, self.device = len(class_names), seed, device
        self.mixed, self.unlabelled, self.members = mixed, unlabelled, members
        self._source, self._report, self._scratch = source, report, scratch
        self._trainings = 0

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        return self._sourced()(inputs)

    def trainable(self) -> Trainable:
        return self._sourced().trainable()

    def language_model(self, *, fresh: bool = False) -> LanguageModel:
        return self._sourced().language_model(fresh=fresh)

    def transcriber(self) -> Transcriber:
        return self._sourced().transcriber()

    def scratch(self) -> Path | None:
        self._trainings += 1
        if self._scratch is None:
            return None
        return self._scratch / f"training-{self._trainings}.safetensors"

    def progress(self, what: str, done: int, total: int) -> None:
        self._report(what, done, total)

    def _sourced(self) -> FeatureSource:
        if self._source is None:
            raise NotApplicableError("this method declared that it needs no backbone")
        return self._source


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cell with everything that is there before its method does anything."""

    cell: Cell
    method: Method
    loaded: Loaded
    draw: Draw
    labelled: Split  # extra validation items last
    test: Split
    source: FeatureSource | None
    members: tuple[StoredMember, ...]
    context: CellContext

    @property
    def learned(self) -> Split:
        """The items that the final fit learns from."""
        return self.labelled.take(np.arange(len(self.labelled) - len(self.draw.extra)))

    @property
    def metric(self) -> str:
        return self.cell.task.main_metric or self.loaded.task.spec.main_metric

    def division(self) -> Division:
        rare = self.loaded.task.spec.rare
        return divide(self.labelled, len(self.draw.extra), rare, self.cell.draw)


def execute(cell: Cell, attempt: int, bench: Workbench) -> Result:
    """Run one cell.

    Raises:
        CellError: a typed failure of the cell.
        UserError: if data or weights cannot be had.
    """
    with deterministic(cell.deterministic):
        return _execute(cell, attempt, bench)


def _execute(cell: Cell, attempt: int, bench: Workbench) -> Result:
    phases = Phases()
    reset_peak(bench.device)
    with bench.energy_window(bench.device) as window:
        with phases.phase(PhaseName.LOAD):
            ready = prepare(cell, bench, bench.scratch(cell.run_id))
        method, source, test, context = ready.method, ready.source, ready.test, ready.context
        if source is not None and method.spec.needs is Needs.FEATURES:
            with phases.phase(PhaseName.EXTRACT):
                both = chained(ready.labelled.inputs, test.inputs)
                source(taken(both, np.flatnonzero(present(both))))
        with phases.phase(PhaseName.TUNE):
            choice = tuned(ready)
        with phases.phase(PhaseName.FIT):
            fitted = method.fit(choice.parameters, ready.learned, None, context)
        with phases.phase(PhaseName.PREDICT):
            predictions = outcome(fitted, test, shares(ready.learned.targets, context.classes))
    predictions.check(len(test), context.classes)
    size = fitted.size() if isinstance(fitted, Sized) else None
    record = Record(
        **identity_fields(cell, attempt),
        main_metric=ready.metric,
        status=Status.OK,
        provenance=provenance(bench.device, precision_of(cell), deterministic=cell.deterministic),
        metrics=all_scores(predictions, test.targets, context.class_names)
        | calibrated(predictions, test.targets, choice, ready.labelled.targets),
        chance=chance_levels(predictions, test.targets, context.class_names),
        parameters=choice.parameters,
        trials=choice.trials,
        trials_budget=cell.budget.trials,
        phases=phases.seconds,
        extraction=source.extraction(cell.drift) if source else None,
        transferability=transferability(ready, bench),
        backbone_parameters=parameters_of(ready),
        trainable_parameters=size.trained if size else None,
        bytes_shipped=size.shipped if size else None,
        members={member.label: member.record.run_id for member in ready.members},
        members_seconds=sum(member.seconds for member in ready.members),
        facts=dict(fitted.facts()) if isinstance(fitted, Told) else {},
        bytes_peak=(memory := peak(bench.device)).bytes_resident,
        bytes_peak_device=memory.bytes_allocated,
        energy_joules=window.energy.joules if window.energy else None,
        data=data_report(ready, choice),
    )
    items = None if choice.indices is None else pool_positions(ready.draw)[choice.indices]
    return Result(record, predictions, test.targets, choice.validation, items, context.class_names)


def parameters_of(ready: Prepared) -> int | None:
    """Weights of the backbones that are needed to predict, each once; None: not known."""
    if ready.method.spec.needs is not Needs.MEMBERS:
        return ready.source.parameters if ready.source else 0
    known = {member.cell.backbone_label: member.record for member in ready.members}
    found = [record.backbone_parameters for record in known.values()]
    return None if None in found else sum(count or 0 for count in found)


def prepare(cell: Cell, bench: Workbench, scratch: Path | None = None) -> Prepared:
    """Data, the draw, a source of features, members and the context of a cell.

    `scratch` is a folder for what a killed attempt leaves to the next one.
    """
    method = methods.registry()[cell.method.name]
    loaded = bench.load(cell)
    draw, labelled = labelled_items(cell, loaded)
    test = tested_items(cell, loaded)
    members = tuple(stored(member, loaded, test, bench) for member in cell.members)
    reads = bench.reads(cell)
    part = part_of(cell, loaded.task.spec, reads)
    labelled, test = narrowed(labelled, part), narrowed(test, part)
    pool = narrowed(loaded.splits.train, part)
    source = None if cell.backbone is None else bench.feature_source(cell, pool)
    context = CellContext(
        loaded.splits.class_names,
        seed_everything(cell),
        bench.device,
        source,
        mixed=None if cell.precision is Precision.FP32 else cell.precision.value,
        unlabelled=pool.inputs,
        members=members,
        report=bench.report,
        scratch=scratch,
    )
    return Prepared(cell, method, loaded, draw, labelled, test, source, members, context)


def stored(cell: Cell, loaded: Loaded, test: Split, bench: Workbench) -> StoredMember:
    """A cell that is done, as a member: its fit is made again only if something new is asked.

    Raises:
        MemberError: if it has no result.
    """
    if bench.store is None:
        raise MemberError("there is no store to look members up in")
    record = record_of(cell, bench.store, bench.device)
    part = part_of(cell, loaded.task.spec, bench.reads(cell))
    pool = narrowed(loaded.splits.train, part)
    source = bench.feature_source(cell, pool) if cell.backbone else None
    draw, labelled = labelled_items(cell, loaded)
    learned = labelled.targets[: len(labelled) - len(draw.extra)]

    def refit() -> Fitted:
        ready = prepare(cell, bench)
        return ready.method.fit(record.parameters, ready.learned, None, ready.context)

    def refold() -> HeldOut:
        ready = prepare(cell, bench)
        rows = [np.zeros((0, ready.context.classes), dtype=np.float32)]
        places = [np.zeros(0, dtype=np.int64)]
        for train, held in ready.division().pairs:
            fold = ready.labelled.take(held)
            fitted = ready.method.fit(
                record.parameters, ready.labelled.take(train), fold, ready.context
            )
            rows.append(fitted.predict(fold.inputs).probabilities)
            places.append(held)
        at = np.concatenate(places)
        told = ClassPredictions(np.concatenate(rows))
        return HeldOut(at, ready.labelled.targets[at], told)

    def refit_on(places: NDArray[np.int64]) -> tuple[Fitted, NDArray[np.float32]]:
        ready = prepare(cell, bench)
        train = ready.labelled.take(places)
        ready.context.members = tuple(member.apart(train) for member in ready.members)
        fitted = ready.method.fit(record.parameters, train, None, ready.context)
        return fitted, shares(train.targets, ready.context.classes)

    known = known_of(record, bench.store, narrowed(test, part), labelled, pool_positions(draw))
    prior = shares(learned, len(loaded.splits.class_names))  # as the cell itself had it
    making = Making(refit, refold, refit_on)
    return StoredMember(cell, record, known, making, source, View(part, prior, pool))


def outcome(fitted: Fitted, test: Split, prior: NDArray[np.float32]) -> Outcome:
    """What a fit says of the test inputs."""
    if isinstance(fitted, Transcribes):
        return fitted.transcribe(test.inputs)
    return predict(fitted, test.inputs, prior)


def calibrated(
    predictions: Outcome,
    targets: NDArray[np.int64],
    choice: Choice,
    labelled: NDArray[np.int64],
) -> dict[str, float]:
    """How far probabilities can be trusted, as they come, and after a temperature that was fitted
    on held-out training items, where there were some."""
    if not isinstance(predictions, ClassPredictions):
        return {}
    found = asdict(calibration(predictions.probabilities, targets))
    if choice.validation is None or choice.indices is None:
        return found
    at = temperature(choice.validation.probabilities, labelled[choice.indices])
    after = calibration(tempered(predictions.probabilities, at), targets)
    return {
        **found,
        **{f"{name}_calibrated": value for name, value in asdict(after).items()},
        "temperature": at,
    }


def tuned(ready: Prepared) -> Choice:
    """Choose the parameters on validation data, within the budget."""
    cell = ready.cell
    points = ready.method.spec.points(cell.method.parameters, cell.budget.trials)
    return choose(
        ready.method,
        points,
        ready.labelled,
        ready.division(),
        ready.context,
        ready.metric,
        always=cell.calibrate,
    )


def transferability(ready: Prepared, bench: Workbench) -> dict[str, float]:
    """LogME of the features that are there already, from the labels that were learned from.

    Once per backbone and draw, in no phase: no method pays for it. None of shuffled labels, and
    none for fewer than two classes.
    """
    cell, source, learned = ready.cell, ready.source, ready.learned
    if source is None or ready.method.spec.needs is not Needs.FEATURES:
        return {}
    if cell.control is Control.SHUFFLED_LABELS or len(np.unique(learned.targets)) < 2:
        return {}
    key = (source.key, cell.fingerprint, cell.task.train, cell.draw)
    if key not in bench.evidence:
        bench.evidence[key] = logme(source(learned.inputs), learned.targets)
    return {"logme": bench.evidence[key]}


def data_report(ready: Prepared, choice: Choice) -> DataReport:
    """What the record says of the data."""
    names, draw = ready.loaded.splits.class_names, ready.draw
    learns, kind = ready.method.spec.labels, ready.loaded.task.spec.kind
    return DataReport(
        fingerprint=ready.cell.fingerprint,
        classes=len(names),
        labels=len(ready.learned) if learns else 0,
        labels_extra=len(draw.extra) if learns else 0,
        test=len(ready.test),
        tuning=choice.label,
        duplicates_train_test=ready.loaded.duplicates,
        capped={names[c]: m for c, m in draw.capped.items()},
        rare={names[c]: m for c, m in choice.rare.items()},
        notes=dict(ready.loaded.splits.notes),
        class_names=names_kept(names) if kind is TaskKind.CLASSIFICATION else (),
    )
