"""From a suite to its cells: validated, resolved, in the order in which they run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import backbones, methods, tasks
from bench.backbones import Plugin
from bench.core.backbone import Weights
from bench.core.cell import Cell, label_of
from bench.core.errors import Mistake, SuiteError
from bench.core.method import Method, Needs
from bench.core.suite import (
    BackboneEntry,
    Control,
    MethodEntry,
    Precision,
    Resolved,
    Suite,
    TaskEntry,
)
from bench.core.task import Modality, Task, TaskKind
from bench.runner import wiring
from bench.runner.check import check, check_whole, refuse_doubles
from bench.suite_file import Draft
from bench.tasks import conditions


@dataclass(frozen=True, slots=True)
class Skipped:
    """A combination that does not apply, and why."""

    task: str
    backbone: str
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a suite, in running order, with the plugins that they name."""

    suite: Suite
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...]
    tasks: Mapping[str, Task] = field(default_factory=dict)
    plugins: Mapping[str, Plugin] = field(default_factory=dict)


def validated(draft: Draft) -> Suite:
    """The suite of a draft without mistakes.

    Raises:
        SuiteError: with every mistake of form and meaning.
    """
    found: dict[str, Mistake] = {}
    for mistake in (*draft.mistakes, *check(draft)):
        found.setdefault(mistake.where, mistake)  # one word about one key
    mistakes, suite = list(found.values()), draft.suite
    if suite is not None and not mistakes:
        suite = _typed(suite)
        mistakes += check_whole(suite) or wiring.mistakes(suite)
    if mistakes or suite is None:
        raise SuiteError(draft.path, mistakes)
    return suite


def _typed(suite: Suite) -> Suite:
    """The suite with every parameter in its method's own type."""
    typed = [
        dataclasses.replace(
            entry, parameters=methods.registry()[entry.name].spec.typed(entry.parameters)
        )
        for entry in suite.methods
    ]
    return dataclasses.replace(suite, methods=tuple(typed))


def make_plan(
    suite: Suite, pins: Mapping[str, str], precisions: Mapping[str, Resolved] | None = None
) -> Plan:
    """Lay out the grid; `pins` holds digests (by URI) of what the suite does not pin, and
    `precisions` what `auto` came to, by the backbone's label (float32 where it is not there).

    Cells are ordered by task, then backbone, so that a worker loads each once; those that build
    on other cells are the last of their task.
    """
    folder = Path(suite.folder)
    built_tasks = {entry.key: tasks.build(entry, folder, pins) for entry in suite.tasks}
    entries = list(suite.backbones)
    twins = _twins(suite) if Control.RANDOM_WEIGHTS in suite.controls else []
    plugins = {label_of(e): backbones.build(e, folder, pins) for e in (*entries, *twins)}
    grid = _Grid(suite, built_tasks, plugins, dict(pins), precisions or {})
    for task_entry in suite.tasks:
        if not grid.bears(task_entry):
            continue
        grid.without_backbone(task_entry)
        for backbone_entry in entries:
            grid.row(task_entry, backbone_entry)
        for twin in twins:
            grid.control(task_entry, twin, Control.RANDOM_WEIGHTS)
        grid.with_members(task_entry)
    refuse_doubles(suite, grid.cells)
    return Plan(suite, tuple(grid.cells), tuple(grid.skipped), built_tasks, plugins)


def _twins(suite: Suite) -> list[BackboneEntry]:
    """The untrained twin of each pretrained backbone that the suite does not list itself."""
    found = []
    for entry in suite.backbones:
        twin = dataclasses.replace(entry, weights=Weights.RANDOM, label=None)
        if entry.label:
            twin = dataclasses.replace(twin, label=f"{entry.label}(weights=random)")
        learned = entry.name.startswith(backbones.OUTSIDE) or bool(
            backbones.registry()[entry.name].spec.assets
        )
        if learned and entry.weights is Weights.PRETRAINED and twin not in suite.backbones:
            found.append(twin)
    return found


class _Grid:
    """Collects cells and the reasons of those left out."""

    def __init__(
        self,
        suite: Suite,
        built: Mapping[str, Task],
        plugins: Mapping[str, Plugin],
        pins: dict[str, str],
        precisions: Mapping[str, Resolved],
    ) -> None:
        self.suite, self.tasks, self.plugins, self.pins = suite, built, plugins, pins
        self.precisions = precisions
        self.cells: list[Cell] = []
        self.skipped: list[Skipped] = []
        entries = [(entry, methods.registry()[entry.name]) for entry in suite.methods]
        self.methods = [(e, method) for e, method in entries if not e.members]
        self.builders = wiring.in_turn([e for e, _ in entries if e.members])

    def bears(self, task: TaskEntry) -> bool:
        """Whether the task's condition fits its data; what the user's own are, shows only here."""
        spec = self.tasks[task.key].spec
        reason = conditions.unfit(task.condition, spec) if task.condition else None
        if reason:
            self.skipped.append(Skipped(task.key, "every backbone", "every method", reason))
        return reason is None

    def without_backbone(self, task: TaskEntry) -> None:
        """The methods that need no backbone, and the shuffled-labels control of the first."""
        for entry, method in self.methods:
            if method.spec.needs is Needs.INPUTS:
                reason = _unfit(self.tasks[task.key], method)
                if reason:
                    self.skipped.append(Skipped(task.key, "none", label_of(entry), reason))
                else:
                    self._cells(task, None, entry, method, None)

    def row(self, task: TaskEntry, backbone: BackboneEntry) -> None:
        """One backbone on one task: every method, then the controls of the first."""
        fitting = self._fitting(task, backbone, note=True)
        for entry, method in fitting:
            self._cells(task, backbone, entry, method, None)
        if self.tasks[task.key].spec.kind is not TaskKind.CLASSIFICATION:
            return  # what controls must do is told by kappa and by classes
        for control in (Control.SHUFFLED_LABELS, Control.SELF):
            if control in self.suite.controls:
                for entry, method in fitting[:1]:
                    self._cells(task, backbone, entry, method, control)

    def with_members(self, task: TaskEntry) -> None:
        """The methods that build on other cells of the task, after these."""
        rows: dict[wiring.Name, wiring.Row] = {}
        for cell in self.cells:
            same = (cell.task.key, cell.task.train, cell.task.condition)
            if same == (task.key, task.train, task.condition) and not cell.control:
                name = (cell.backbone_label, cell.method_label)
                rows.setdefault(name, {})[cell.draw, cell.seed] = cell
        for entry in self.builders:
            method = methods.registry()[entry.name]
            alone = method.spec.needs in {Needs.INPUTS, Needs.MEMBERS}
            asked = [
                b
                for b in self.suite.backbones
                if not entry.backbones or label_of(b) in entry.backbones
            ]
            for backbone in [None] if alone else asked:
                label = label_of(backbone) if backbone else wiring.NO_BACKBONE
                reason = self._unwired(task, backbone, entry, method, rows)
                if reason:
                    self.skipped.append(Skipped(task.key, label, label_of(entry), reason))
                    continue
                before = len(self.cells)
                self._cells(task, backbone, entry, method, None, rows)
                for cell in self.cells[before:]:
                    rows.setdefault((label, label_of(entry)), {})[cell.draw, cell.seed] = cell

    def _unwired(
        self,
        task: TaskEntry,
        backbone: BackboneEntry | None,
        entry: MethodEntry,
        method: Method,
        rows: Mapping[wiring.Name, wiring.Row],
    ) -> str | None:
        """Why a method that builds on others cannot be had here."""
        built = self.tasks[task.key]
        if backbone is not None:
            spec = self.plugins[label_of(backbone)].spec
            if not built.spec.reads(spec.modality):
                return f"the backbone reads {spec.modality}, not {built.spec.modality}"
            if method.spec.needs is Needs.MODULE and not spec.trainable:
                return f"{backbone.name} cannot be trained"
        found = wiring.members_of(entry, rows, 0, 0)
        return found if isinstance(found, str) else _unfit(built, method)

    def control(self, task: TaskEntry, backbone: BackboneEntry, control: Control) -> None:
        """The first fitting method alone, as a control; of transcripts there are none."""
        if self.tasks[task.key].spec.kind is not TaskKind.CLASSIFICATION:
            return
        for entry, method in self._fitting(task, backbone, note=False)[:1]:
            self._cells(task, backbone, entry, method, control)

    def _fitting(
        self, task: TaskEntry, backbone: BackboneEntry, *, note: bool
    ) -> list[tuple[MethodEntry, Method]]:
        built, plugin = self.tasks[task.key], self.plugins[label_of(backbone)]
        if not built.spec.reads(plugin.spec.modality):
            if note:
                why = f"the backbone reads {plugin.spec.modality}, not {built.spec.modality}"
                self.skipped.append(Skipped(task.key, label_of(backbone), "every method", why))
            return []
        found = []
        for entry, method in self.methods:
            if method.spec.needs is Needs.INPUTS:
                continue
            reason = _lacks(method, backbone, plugin) or _unfit(built, method, plugin.spec.modality)
            if entry.backbones and label_of(backbone) not in entry.backbones:
                continue  # not asked for
            if reason is None:
                found.append((entry, method))
            elif note:
                row = Skipped(task.key, label_of(backbone), label_of(entry), reason)
                self.skipped.append(row)
        return found

    def _cells(
        self,
        task: TaskEntry,
        backbone: BackboneEntry | None,
        entry: MethodEntry,
        method: Method,
        control: Control | None,
        rows: Mapping[wiring.Name, wiring.Row] | None = None,
    ) -> None:
        """Every draw and seed: draws of a full training set would all be the same one."""
        spec = self.tasks[task.key].spec
        draws = 1 if task.train.full else task.draws or self.suite.draws
        seeds = 1 if method.spec.deterministic else self.suite.seeds
        first = self.suite.seeds if control is Control.SELF else 0
        precision, drift = self._precision(backbone)
        for draw in range(draws):
            for seed in range(first, first + seeds):
                members = wiring.members_of(entry, rows or {}, draw, seed)
                if isinstance(members, str):
                    raise RuntimeError(f"{label_of(entry)}, draw {draw}: {members}")  # noqa: TRY004
                self.cells.append(
                    Cell(
                        suite=self.suite.name,
                        task=dataclasses.replace(
                            task, main_metric=task.main_metric or spec.main_metric
                        ),
                        modality=spec.modality,
                        backbone=backbone,
                        method=entry,
                        draw=draw,
                        seed=seed,
                        budget=self.suite.budget,
                        precision=precision,
                        control=control,
                        fingerprint=spec.fingerprint,
                        backbone_identity=(
                            self.plugins[label_of(backbone)].spec.identity if backbone else None
                        ),
                        method_version=method.spec.version,
                        folder=self.suite.folder,
                        pins=self.pins,
                        members=members,
                        calibrate=self.suite.calibrate,
                        compile=self.suite.compile and _compiles(backbone, self.plugins),
                        deterministic=self.suite.deterministic,
                        drift=drift,
                    )
                )

    def _precision(self, backbone: BackboneEntry | None) -> tuple[Precision, float | None]:
        """What a cell computes in, and its drift where that was chosen."""
        if self.suite.precision is not Precision.AUTO:
            return self.suite.precision, None
        if backbone is None:
            return Precision.FP32, None
        if found := self.precisions.get(label_of(backbone)):
            return found.precision, found.drift
        original = dataclasses.replace(backbone, weights=Weights.PRETRAINED)
        found = self.precisions.get(label_of(original))  # a twin computes as its original does
        return (found.precision if found else Precision.FP32), None


def _compiles(backbone: BackboneEntry | None, plugins: Mapping[str, Plugin]) -> bool:
    """Whether there is a network at all: the controls (raw pixels, say) have none."""
    return backbone is not None and bool(plugins[label_of(backbone)].spec.assets)


def _lacks(method: Method, backbone: BackboneEntry, plugin: Plugin) -> str | None:
    """What a method needs of a backbone that this one has not; None where it has all."""
    needs, spec = method.spec.needs, plugin.spec
    if needs is Needs.MODULE and not spec.trainable:
        return f"{backbone.name} cannot be trained"
    if needs is Needs.LANGUAGE and not spec.generates:
        return f"{backbone.name} is no language model"
    if needs is Needs.SPEECH and not spec.transcribes:
        return f"{backbone.name} writes down no speech"
    return None


def _unfit(task: Task, method: Method, modality: Modality | None = None) -> str | None:
    """Why a method does not fit a task, or its part of a modality; None where it does."""
    read = [modality] if modality else [task.spec.modality, *task.spec.parts.values()]
    if not method.spec.modalities.intersection(read):
        wanted = ", ".join(sorted(method.spec.modalities))
        return f"{method.spec.name} works on {wanted}, not on {task.spec.modality}"
    if task.spec.kind not in method.spec.kinds:
        return f"{method.spec.name} does not do {task.spec.kind}"
    return None
