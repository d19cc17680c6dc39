"""A task whose data are known: a description, and a function that reads its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.assets import resolve
from bench.core.task import Split, Splits, TaskSpec
from bench.tasks._checks import check


@dataclass(frozen=True, slots=True)
class Dataset:
    """A task of one asset; `read` gets the local file of each source by its path in the asset."""

    spec: TaskSpec
    read: Callable[[Mapping[str, Path]], Splits]

    def load(self) -> Splits:
        """Fetch what is missing, read and check it.

        Raises:
            AssetError: if the bytes cannot be had.
            DataError: if they are not what the spec says.
        """
        (asset,) = self.spec.assets
        splits = self.read(resolve(asset))
        check(splits, self.spec)
        return splits


def class_ids(labels: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Positions `(n,)` of `labels` in `names`, which hold each of them."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[label] for label in labels], dtype=np.int64)


def labelled(
    train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]], **notes: int
) -> Splits:
    """Splits of (label, text) rows; classes are the sorted labels, items keep their order."""
    names = tuple(sorted({label for rows in (train, test) for label, _ in rows}))

    def split(rows: Sequence[tuple[str, str]]) -> Split:
        ids = class_ids([label for label, _ in rows], names)
        return Split(inputs=[text for _, text in rows], targets=ids)

    return Splits(train=split(train), test=split(test), class_names=names, notes=notes)
