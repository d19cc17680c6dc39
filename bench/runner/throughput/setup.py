"""What `bench throughput` times: a backbone, and real inputs in parts of like lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import backbones, tasks
from bench.assets import Lock, pin
from bench.backbones import Plugin
from bench.backbones.shapes import PREFIX, SHAPES, ShapePlugin
from bench.core.errors import UserError, did_you_mean
from bench.core.identity import generator, item_digest
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input, Modality

UNITS = {
    Modality.TEXT: "tokens",
    Modality.IMAGE: "images",
    Modality.AUDIO: "seconds",
    Modality.TABLE: "rows",
}
"""What a batch budget counts, by modality."""
ITEMS = {"cpu": 1_000, "cuda": 20_000}
MOST_PARTS = 16
"""As many as a series of samples goes through; more would be made and never used."""

Part = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a user asks for; None is what is chosen then."""

    backbone: str
    task: str | None = None
    device: str = "auto"
    precision: Precision = Precision.FP32
    compile: bool = False
    items: int | None = None
    length: int | None = None
    sweep: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The plugin that was asked for, its name in results, and whether it is a shape alone."""

    plugin: Plugin
    label: str
    shape: ShapePlugin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Distinct raw inputs in a random order that is always the same, and how many more there
    were that had stood before."""

    inputs: Sequence[Input]
    repeats: int
    length: int | None


def choose(asked: Asked) -> Chosen:
    """The backbone and task by name; nothing is loaded.

    Raises:
        UserError: if one is not known, or they do not fit.
    """
    chosen = _chosen(asked)
    spec = chosen.plugin.spec
    if asked.items is not None and asked.items < 1:
        raise UserError(f"--items is at least 1, not {asked.items}")
    if chosen.shape is not None:
        chosen.shape.inputs(1, asked.length)
    elif asked.length is not None:
        raise UserError(f"--length is of shapes: the inputs of {chosen.label} are the task's")
    if asked.task is None:
        if chosen.shape is None:
            fitting = [n for n, t in tasks.registry().items() if t.spec.modality is spec.modality]
            raise UserError(f"{chosen.label} needs inputs: --task {' | '.join(fitting)}")
        return chosen
    task = tasks.registry()[asked.task].spec
    if task.modality is not spec.modality:
        raise UserError(f"{chosen.label} reads {spec.modality}, but {task.name} is {task.modality}")
    if chosen.shape is not None and spec.modality is Modality.TEXT:
        raise UserError(
            f"{chosen.label} has no tokenizer and makes its own inputs: leave --task out"
        )
    return chosen


def read(asked: Asked, chosen: Chosen, device: str) -> Inputs:
    """The inputs of both splits of the task, or those that a shape makes.

    Raises:
        UserError: if the data cannot be had.
    """
    wanted = asked.items or ITEMS[device]
    if asked.task is None and chosen.shape is not None:
        length = asked.length or chosen.shape.length
        return Inputs(inputs=chosen.shape.inputs(wanted, length), repeats=0, length=length)
    splits = tasks.registry()[str(asked.task)].load()
    pools = (splits.train.inputs, splits.test.inputs)
    total = sum(len(pool) for pool in pools)
    seen: set[bytes] = set()
    found: list[Input] = []
    repeats = 0
    for place in generator("throughput", asked.task).permutation(total):
        first = len(pools[0])
        item = pools[0][place] if place < first else pools[1][place - first]
        name = item_digest(item)
        if name in seen:
            repeats += 1
            continue
        seen.add(name)
        found.append(item)
        if len(found) == wanted:
            break
    return Inputs(inputs=found, repeats=repeats, length=None)


def deal(lengths: NDArray[np.int64], size: int) -> list[Part]:
    """Parts of about `size` of the items `(n,)`, equal in number and like in lengths.

    Samples that are of one part each then differ by noise and hardly by work. What does not
    divide, and what is beyond `MOST_PARTS`, is left out: of items in random order, any.
    """
    n = len(lengths)
    count = max(1, min(n // max(size, 1), MOST_PARTS))
    rows = n // count if count < MOST_PARTS else min(size, n // count)
    order = np.argsort(-lengths[: rows * count], kind="stable").reshape(rows, count)
    order[1::2] = order[1::2, ::-1].copy()  # there and back, so that none has all the longer ones
    return [np.sort(order[:, part]) for part in range(count)]


def _chosen(asked: Asked) -> Chosen:
    name = asked.backbone
    if name.startswith(PREFIX) and name in SHAPES:
        return Chosen(plugin=SHAPES[name], label=name, shape=SHAPES[name])
    if name.startswith(backbones.OUTSIDE):
        return Chosen(plugin=_outside(asked), label=_label(name), shape=None)
    if name not in backbones.registry():
        near = did_you_mean(name, [*backbones.registry(), *SHAPES])
        raise UserError(f"no backbone is named {name!r}{near}")
    return Chosen(plugin=backbones.registry()[name], label=name, shape=None)


def _outside(asked: Asked) -> Plugin:
    """A backbone from the hub or a folder, pinned to what it is now."""
    if asked.task is not None:
        modality = tasks.registry()[asked.task].spec.modality
    else:
        modality = Modality.TEXT
    entry = BackboneEntry(name=asked.backbone, modality=modality)
    folder, lock = Path.cwd(), Lock(Path("unsaved.lock"))
    for asset in backbones.build(entry, folder, {}).spec.assets:
        pin(asset, folder, lock)
    return backbones.build(entry, folder, lock.pins)


def _label(name: str) -> str:
    """A folder by its name alone: where it lies is nobody's business."""
    return f"file:{Path(name).name}" if name.startswith("file:") else name
