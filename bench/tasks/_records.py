"""Rows of columns: as numbers for what reads tables, and as words for what reads text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.core.task import Input, Split, Splits
from bench.tasks._divide import stratified

Columns = Mapping[str, Sequence[str]]
"""Values by the name of their column, as the file has them."""


def words(columns: Columns) -> list[str]:
    """A text for each row: "name: value; name: value", with spaces for underscores in names."""
    names = [name.replace("_", " ") for name in columns]
    return [
        "; ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def numbers(columns: Columns) -> list[NDArray[np.float32]]:
    """A row of numbers `(d,)` for each row: a column of numbers as it is, any other as one column
    of 0 and 1 for each value that it has (of the whole file, sorted: no label takes part)."""
    made: list[NDArray[np.float32]] = []
    for values in columns.values():
        try:
            made.append(np.array([float(value) for value in values], dtype=np.float32)[:, None])
        except ValueError:
            distinct, which = np.unique(np.array(values), return_inverse=True)
            made.append(np.eye(len(distinct), dtype=np.float32)[which])
    return list(np.concatenate(made, axis=1))


def divided(
    inputs: Sequence[Input], targets: NDArray[np.int64], names: tuple[str, ...], share: float
) -> Splits:
    """Splits with `share` of each class in test."""
    pool, division = Split(inputs, targets), stratified(targets, share)
    return Splits(pool.take(division.train), pool.take(division.test), names)
