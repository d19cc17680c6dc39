"""Which ranked rows of a problem are worth a look: accuracy against what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.stats import dominance, front, less
from bench.tables.costs import Costs

Better = NDArray[np.bool_]


MARGIN = 0.01
"""A point of the main metric: what a row may be behind another and still stand in for it. The
gate's margin, too."""


def worth_a_look(
    better: Better, as_good: Better, spent: Sequence[Costs], places: Sequence[str]
) -> list[bool]:
    """Whether each ranked row is on the front (`bench.stats.front`).

    `better` `(E, E)` says which rows are shown better in the main metric, and `as_good`
    which are shown to be no more than `MARGIN` behind: no row stands in for another whose
    accuracy it is not shown to reach, however cheap it is. The other dimensions are
    seconds per cell, extraction rate, the backbone's parameters, and peak memory of the
    process and of the device: where both rows were measured, and on the same device
    (`places`), since seconds of two machines do not compare.
    """
    _, names = np.unique(np.asarray(places, dtype=np.str_), return_inverse=True)
    same = names[:, None] == names[None, :]
    costs = (
        [one.seconds for one in spent],
        [1 / one.items_per_second if one.items_per_second else None for one in spent],
        [one.parameters for one in spent],
        [one.bytes_peak for one in spent],
        [one.bytes_peak_device for one in spent],
    )
    cheaper = [same & less(np.asarray(cost, dtype=np.float64)) for cost in costs]
    return [bool(on) for on in front(dominance([better, *cheaper]) & as_good)]
