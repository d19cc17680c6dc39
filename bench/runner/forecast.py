"""What a plan will cost, said before anything runs, from descriptions alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench import methods
from bench.core.cell import Cell, label_of
from bench.core.method import Trains
from bench.core.suite import TrainRule
from bench.core.task import CountsItself, Modality, Task, TaskSpec
from bench.runner.plan import Plan
from bench.runner.tune import SMALL

FLOPS_PER_SECOND = {
    # float32, whole pipeline, as two cores of current processors have it: texts at 1.7e11 to 1.9e11
    # (results/throughput and results/peers), images as results/default has them (314 images/s of
    # efficientnet-lite0); a CPU scales with its cores
    (Modality.TEXT, "cpu"): 1.6e11,
    (Modality.IMAGE, "cpu"): 6e10,
    (
        Modality.AUDIO,
        "cpu",
    ): 1.1e11,  # whisper-tiny-en on fsdd: 140 to 170 seconds of sound a second
    (Modality.TABLE, "cpu"): 1e9,
    # CUDA: a cautious guess for one data-centre card, not measured
    (Modality.TEXT, "cuda"): 2.0e13,
    (Modality.IMAGE, "cuda"): 5.0e12,
    (Modality.AUDIO, "cuda"): 1.0e13,
    (Modality.TABLE, "cuda"): 1e9,
}
SECONDS_A_FIT = 0.05
"""A fit of a head on two cores, with predicting: 0.03 s is the mean over results/default,
results/medical and results/finance, 0.2 to 0.3 over results/speech and results/recommendation."""
TRAINING = 4.0
"""What a pass forward and backward with its share of AdamW costs, in passes forward: 3 times the
multiplications, and batches of 16 short texts do not fill a device. It says 43 s where finetune
took 58 on all of rotten-tomatoes, and 28 where it took 26 (means over results/many-labels and
results/methods)."""
SECONDS_A_LOAD = 1.5
"""Reading weights and data, once for each pair of task and backbone."""
BYTES_A_RECORD = 12_000
"""A record file with its identity and trials; results/methods has 5 to 9 kB."""
BYTES_A_PREDICTION = 12
"""Class and two probabilities of a test item, beside its full probabilities."""
BYTES_A_FEATURE = 64
"""Digest and facts of an input, beside its features."""
BYTES_BASE = 900_000_000
"""Resident set of a worker with torch and transformers, before any model."""
BYTES_A_WEIGHT = 4 * 6
"""Of a backbone that is trained in float32: as loaded, its copy, the gradient, AdamW's two moments
and the best so far."""
LONGEST = 4
"""The longest texts of a task have so many times the tokens of the mean, unless they are cut."""
FREED = 2
"""Activations take so many times their bytes where batches are of unlike lengths: what one freed
does not fit the next. finetune and setfit took 2.1 and 4.1 GB of news at 128 tokens (one draw of
suites/few-news.toml), where this says 2.4 and 3.4."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds to run, peak bytes of memory, bytes to download; bytes on disk that records and
    that the cache (features, token ids, checkpoints, downloads and their unpacking) will take."""

    seconds: float
    bytes_memory: int
    bytes_download: int
    bytes_records: int = 0
    bytes_cache: int = 0
    specs: Mapping[str, TaskSpec] = field(default_factory=dict)  # of tasks, as they were counted

    @property
    def unsized(self) -> tuple[str, ...]:
        """Tasks of which nobody knows yet how large they are."""
        return tuple(name for name, spec in self.specs.items() if not spec.train_size)


def forecast(
    plan: Plan,
    cells: Iterable[Cell],
    device: str,
    bytes_download: int,
    known: Mapping[str, TaskSpec] | None = None,
) -> Forecast:
    """Forecast what running `cells` costs; of the user's own tables the rows are counted, unless an
    earlier forecast of the plan has done so (`known`).

    Raises:
        DataError: if those do not have what the suite says.
    """
    draws: dict[tuple[str, str], dict[TrainRule, set[int]]] = {}
    tested: dict[str, set[str | None]] = {}  # conditions, each with test inputs of its own
    seconds, memory, records, cache, scratch = 0.0, 0, 0, 3 * bytes_download, 0
    specs = dict(known or {})
    for cell in cells:
        if cell.task.key not in specs:
            specs[cell.task.key] = _sized(plan.tasks[cell.task.key])
        spec = specs[cell.task.key]
        records += BYTES_A_RECORD + (cell.task.test_size or spec.test_size) * (
            BYTES_A_PREDICTION + 4 * spec.classes
        )
        folds = 4 if cell.budget.trials > 1 else 0
        seconds += SECONDS_A_FIT * (1 + cell.budget.trials * folds / 4)
        if cell.backbone is not None:
            seconds += (training := _training(cell, spec, plan, device))
            if training:  # weights, the best of them, two moments; one cell at a time
                weights = plan.plugins[label_of(cell.backbone)].spec.parameters
                scratch = max(scratch, 4 * 4 * weights)
                memory = max(memory, _bytes_training(cell, spec, plan) if device == "cpu" else 0)
            of = draws.setdefault((cell.task.key, label_of(cell.backbone)), {})
            of.setdefault(cell.task.train, set()).add(cell.draw)
            tested.setdefault(cell.task.key, set()).add(cell.task.condition)
    sizes = {entry.key: entry.test_size for entry in plan.suite.tasks}
    for (task, backbone), by_rule in draws.items():
        spec, model = specs[task], plan.plugins[backbone].spec
        # the sizes of a curve lie in one another: the largest has the items of all
        items = max(_items(spec, rule, sizes[task], len(of)) for rule, of in by_rule.items())
        items += (len(tested[task]) - 1) * _tested(spec, sizes[task])
        rate = _rate(model.modality, device)
        cache += int(items * (4 * model.width + BYTES_A_FEATURE + 4 * spec.units))
        seconds += SECONDS_A_LOAD + items * spec.units * model.flops_per_unit / rate
        memory = max(memory, 4 * model.parameters * (1 if device == "cpu" else 0))
    return Forecast(seconds, BYTES_BASE + memory, bytes_download, records, cache + scratch, specs)


def _sized(task: Task) -> TaskSpec:
    """A task's description, with sizes of the user's own data where they can be told."""
    return task.sized() if isinstance(task, CountsItself) else task.spec


def _training(cell: Cell, spec: TaskSpec, plan: Plan, device: str) -> float:
    """Seconds that a cell trains its backbone, tuning included; 0 where its method does not."""
    method = methods.registry()[cell.method.name]
    if cell.backbone is None or not isinstance(method, Trains):
        return 0.0
    model = plan.plugins[label_of(cell.backbone)].spec
    labels = _labels(spec, cell.task.train)
    points = method.spec.points(cell.method.parameters, cell.budget.trials)
    fits = 1 if len(points) == 1 else 1 + len(points) * (4 if labels < SMALL else 1)
    passes = fits * method.passes(points[0], labels)
    return passes * spec.units * TRAINING * model.flops_per_unit / _rate(model.modality, device)


def _bytes_training(cell: Cell, spec: TaskSpec, plan: Plan) -> int:
    """Bytes of weights and activations while a cell trains its backbone on a CPU.

    Of texts; others' activations are not known from a description. A layer of an encoder, d wide
    with h heads, keeps 34 d + 5 h s bytes a token of s in half precision (Korthikanti et al. 2022,
    arXiv:2205.05198, section 4.1); here 4 bytes a number and 1 a choice of dropout, heads of 32.
    """
    method = methods.registry()[cell.method.name]
    if cell.backbone is None or not isinstance(method, Trains):
        return 0
    model = plan.plugins[label_of(cell.backbone)].spec
    weights = BYTES_A_WEIGHT * model.parameters
    if model.modality is not Modality.TEXT or not model.width:
        return weights
    tokens = LONGEST * spec.units
    tokens = min(tokens, model.max_length or tokens)
    at_once = method.at_once({**method.spec.defaults, **cell.method.parameters})
    texts = min(at_once, _labels(spec, cell.task.train) or at_once)
    wide = model.flops_per_unit / (24 * model.width)  # layers times width
    return weights + int(FREED * texts * tokens * wide * (66 + 9 * tokens / 32))


def _labels(spec: TaskSpec, rule: TrainRule) -> int:
    return rule.size or (rule.per_class or 0) * spec.classes or spec.train_size


def _rate(modality: Modality, device: str) -> float:
    """FLOPs a second of the whole pipeline."""
    cores = len(os.sched_getaffinity(0))
    return FLOPS_PER_SECOND[modality, device] * (cores / 2 if device == "cpu" else 1)


def _tested(spec: TaskSpec, test_size: int | None) -> int:
    return min(test_size or spec.test_size, spec.test_size or (test_size or 0))


def _items(spec: TaskSpec, rule: TrainRule, test_size: int | None, draws: int) -> int:
    """Distinct items to extract; 0 sizes (a user's data) count as nothing known."""
    test = _tested(spec, test_size)
    if rule.full:
        return test + spec.train_size
    per_draw = rule.size or (rule.per_class or 0) * spec.classes
    return test + min(spec.train_size, draws * (per_draw + rule.validation_extra))
