"""Domain shift: the training pool of one task, the test split of another with the same classes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from bench.core.errors import DataError
from bench.core.task import Split, Splits, Task, TaskKind, TaskSpec
from bench.tasks._checks import listed


@dataclass(frozen=True, slots=True)
class Shifted:
    """Trained on the pool of `train`, tested on the test split of `test`."""

    train: Task
    test: Task

    @property
    def spec(self) -> TaskSpec:
        """That of `train`, with the other's test split: its fingerprint covers both."""
        own, other = self.train.spec, self.test.spec
        return dataclasses.replace(
            own,
            summary=f"{own.summary}; tested on {other.name}",
            assets=tuple({asset.name: asset for asset in (*own.assets, *other.assets)}.values()),
            test_size=other.test_size,
            settings={**(own.settings or {}), "tested_on": other.fingerprint},
        )

    def load(self) -> Splits:
        """Load both; class ids are those of `train`, by the classes' names.

        Raises:
            AssetError: if the bytes of one cannot be had.
            DataError: if one is not what its spec says, or their classes differ.
        """
        own, other = self.train.load(), self.test.load()
        names = (self.train.spec.name, self.test.spec.name)
        alone = [
            f"{listed(sorted(here - there))} of {name} alone"
            for name, here, there in zip(
                names,
                (set(own.class_names), set(other.class_names)),
                (set(other.class_names), set(own.class_names)),
                strict=True,
            )
            if here - there
        ]
        if alone:
            raise DataError(
                f"task {names[0]!r} cannot be tested on {names[1]!r}: their classes differ:"
                f" {' and '.join(alone)}"
            )
        ids = np.array([own.class_names.index(name) for name in other.class_names], dtype=np.int64)
        test = Split(other.test.inputs, ids[other.test.targets])  # groups of two tasks share none
        return Splits(own.train, test, own.class_names, own.notes)


def unfit(own: TaskSpec, other: TaskSpec) -> str | None:
    """Why a task cannot be tested on another, as far as descriptions tell; None where it can."""
    if (own.modality, dict(own.parts)) != (other.modality, dict(other.parts)):
        return f"{own.name} is {own.modality}, {other.name} is {other.modality}"
    for spec in (own, other):
        if spec.kind is not TaskKind.CLASSIFICATION:
            return f"{spec.name} is {spec.kind}: it has no classes that another task could share"
    if own.classes and other.classes and own.classes != other.classes:
        return f"{own.name} has {own.classes} classes, {other.name} has {other.classes}"
    return None
