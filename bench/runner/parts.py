"""Inputs of several parts: which part a cell looks at, and what it says where that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench import methods
from bench.core.cell import Cell
from bench.core.inputs import present, taken
from bench.core.method import Fitted, Needs
from bench.core.predictions import ClassPredictions, Predictions
from bench.core.task import Input, Joined, Modality, Parted, Split, TaskSpec


def part_of(cell: Cell, spec: TaskSpec, reads: Modality | None) -> str | None:
    """The part that a cell looks at: of what its backbone `reads`, or else its method; None for
    all of an input."""
    if not spec.parts:
        return None
    method = methods.registry()[cell.method.name].spec
    if reads is not None:
        return spec.part(reads)
    if method.needs is Needs.MEMBERS:
        return None
    return next((name for name, of in spec.parts.items() if of in method.modalities), None)


def seen(inputs: Sequence[Input], part: str | None) -> Sequence[Input]:
    """What is looked at of each input; None where it is missing."""
    if part is None:
        return inputs
    if isinstance(inputs, Parted):
        return inputs.part(part)
    return [item.parts[part] if isinstance(item, Joined) else item for item in inputs]


def narrowed(split: Split, part: str | None) -> Split:
    """A split of one part of its inputs."""
    return split if part is None else replace(split, inputs=seen(split.inputs, part))


def shares(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """How often each class was seen `(k,)`: all that is known of an input that is missing."""
    return (np.bincount(targets, minlength=classes) / max(len(targets), 1)).astype(np.float32)


def predict(fitted: Fitted, inputs: Sequence[Input], prior: NDArray[np.float32]) -> Predictions:
    """What a fit says of `inputs`, and `prior` `(k,)` of those that are missing."""
    there = present(inputs)
    if there.all():
        return fitted.predict(inputs)
    rows = np.tile(prior, (len(inputs), 1))
    if there.any():
        rows[there] = fitted.predict(taken(inputs, np.flatnonzero(there))).probabilities
    return ClassPredictions(rows)
