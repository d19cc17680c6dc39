"""What extraction cost on both sides: counters that must agree, and times that are only shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.core.record import Extraction, Record
from bench.gate.rows import Couple

GROWTH_COUNTS = ("batches", "padding_share")
"""More of these is more work for the same features: a regression. More truncation is not work,
it is another input, and shows in the score."""

COUNTERS = (*GROWTH_COUNTS, "truncated_share")
_ROUNDING = 1e-9  # shares are means of floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterChange:
    """One deterministic counter that differs in a cell that both sides extracted afresh."""

    name: str
    draw: int
    seed: int
    before: float
    after: float

    @property
    def regression(self) -> bool:
        return self.name in GROWTH_COUNTS and self.after > self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Shown and not judged: the two runs were not interleaved on one machine.

    `rate_ratio` is the candidate's items/s over the baseline's, the median over the cells
    that both extracted afresh; None where there are none. Seconds are wall seconds of all
    phases, summed over the row's cells.
    """

    rate_ratio: float | None
    seconds_before: float
    seconds_after: float


def counters(couple: Couple) -> tuple[CounterChange, ...]:
    """Counters that changed, where both sides extracted the same number of items afresh."""
    return tuple(
        CounterChange(
            name=name,
            draw=before.draw,
            seed=before.seed,
            before=float(getattr(one, name)),
            after=float(getattr(other, name)),
        )
        for before, one, other in _fresh(couple)
        for name in COUNTERS
        if None not in {getattr(one, name), getattr(other, name)}
        and abs(getattr(one, name) - getattr(other, name)) > _ROUNDING
    )


def speed(couple: Couple) -> Speed:
    """Times of a row on both sides."""
    ratios = [
        other.items_per_second / one.items_per_second
        for _, one, other in _fresh(couple)
        if one.items_per_second and other.items_per_second
    ]
    return Speed(
        rate_ratio=float(np.median(ratios)) if ratios else None,
        seconds_before=sum(before.seconds for before, _ in couple.cells),
        seconds_after=sum(after.seconds for _, after in couple.cells),
    )


def _fresh(couple: Couple) -> Iterator[tuple[Record, Extraction, Extraction]]:
    for before, after in couple.cells:
        one, other = before.extraction, after.extraction
        if one and other and one.items_computed == other.items_computed > 0:
            yield before, one, other
