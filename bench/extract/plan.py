"""Which items share a batch: a pure function of their lengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


NEAR = 0.8
"""Items share a padded batch down to this part of its longest: at most a fifth is padding."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Batches as index arrays, longest first; every item stands in exactly one."""

    batches: tuple[Indices, ...]
    units: int  # real tokens (or images)
    units_padded: int  # with the padding that the model computes on

    @property
    def padding_share(self) -> float:
        """Share of computed units that are padding, 0 to 1."""
        return 1.0 - self.units / self.units_padded if self.units_padded else 0.0


def plan_batches(
    lengths: NDArray[np.int64], budget: int, *, packed: bool = False, least_rows: int = 4
) -> BatchPlan:
    """Divide items `(n,)` into batches of at most `budget` units, padding counted.

    `packed`: unlike lengths share a batch without padding (`bench.core.backbone.Backbone.packs`),
    so that batches are full, in falling length.

    Otherwise items of the same length go together: no padding, no mask, dense kernels.  What
    is left over, less than a full batch of a length, is gathered with its
    neighbours in length and padded, unless it has at least `least_rows` items.  An item
    longer than the budget has a batch of its own.

    Raises:
        ValueError: on a budget or a length below 1.
    """
    if budget < 1:
        raise ValueError(f"a batch budget is at least 1, not {budget}")
    if len(lengths) and int(lengths.min()) < 1:
        raise ValueError("a length is at least 1")
    order = np.argsort(-lengths, kind="stable")
    units = int(lengths.sum())
    if packed:
        return BatchPlan(tuple(_full(order, lengths, budget)), units, units)
    ordered = lengths[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    batches: list[Indices] = []
    tail: list[int] = []
    for group in np.split(order, starts[1:]) if len(order) else []:
        rows = max(1, budget // int(lengths[group[0]]))
        whole = len(group) - len(group) % rows
        batches.extend(group[i : i + rows] for i in range(0, whole, rows))
        rest = group[whole:]
        if len(rest) >= least_rows:
            batches.append(rest)
        else:
            tail.extend(rest.tolist())
    batches.extend(_padded(tail, lengths, budget))
    batches.sort(key=lambda batch: -int(lengths[batch].max()))
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return BatchPlan(tuple(batches), units, padded)


def _full(order: Indices, lengths: NDArray[np.int64], budget: int) -> list[Indices]:
    """Items in order, cut where the next one would be beyond the budget."""
    ends = np.cumsum(lengths[order])
    found, start = [], 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + budget, side="right"))
        stop = max(stop, start + 1)
        found.append(order[start:stop])
        start = stop
    return found


def _padded(items: list[int], lengths: NDArray[np.int64], budget: int) -> list[Indices]:
    """Batches of unlike lengths, in falling length, padded to the first of each."""
    found: list[list[int]] = []
    for item in items:
        longest = int(lengths[found[-1][0]]) if found else 0
        near = int(lengths[item]) >= NEAR * longest
        if near and found and len(found[-1]) < max(1, budget // longest):
            found[-1].append(item)
        else:
            found.append([item])
    return [np.array(batch, dtype=np.int64) for batch in found]
