"""Which items a cell learns from and which it is tested on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.core.cell import Cell
from bench.core.draws import Draw, draw_items, shuffle_targets
from bench.core.identity import generator
from bench.core.suite import Control
from bench.core.task import Split
from bench.runner.workbench import Loaded
from bench.tasks import conditions


def labelled_items(cell: Cell, loaded: Loaded) -> tuple[Draw, Split]:
    """The labelled items of the cell's draw (extra validation items last)."""
    pool = loaded.splits.train
    draw = draw_items(pool.targets, cell.task.train, cell.draw)
    labelled = pool.take(pool_positions(draw))
    targets = labelled.targets
    if cell.control is Control.SHUFFLED_LABELS:
        targets = shuffle_targets(targets, cell.draw)
    return draw, replace(labelled, targets=targets, places=np.arange(len(labelled)))


def pool_positions(draw: Draw) -> NDArray[np.int64]:
    """Positions in the training pool of labelled and extra items."""
    return np.concatenate([draw.labelled, draw.extra])


def test_split(test: Split, size: int | None) -> Split:
    """The test items of every cell of the task: all, or the same `size` of them."""
    if size is None or size >= len(test):
        return test
    chosen = generator("test", len(test)).permutation(len(test))[:size]
    return test.take(np.sort(chosen))


def tested_items(cell: Cell, loaded: Loaded) -> Split:
    """The test items of a cell, under its condition."""
    test = test_split(loaded.splits.test, cell.task.test_size)
    if not cell.task.condition:
        return test
    changed = conditions.apply(cell.task.condition, test.inputs, loaded.task.spec)
    return Split(changed, test.targets, test.groups)
