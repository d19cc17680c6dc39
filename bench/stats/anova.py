"""Two-way analysis of variance without replication: draws crossed with test items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
FLAT = 1e-12
"""Relative to their size, values that differ by less are equal: float64 leaves 1e-16 a step."""


def matrix(values: ArrayLike | Sequence[ArrayLike]) -> Values:
    """Per-item values as `(D, N)` float64, with at least one draw and one item.

    Raises:
        ValueError: if the draws have different numbers of items, or a value is NaN or Inf.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            "every draw must have the same test items: (draws, items), not ragged"
        ) from error
    if found.ndim != 2 or not found.size:
        raise ValueError(f"values must be (draws, items) and not empty; they are {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError("values hold NaN or Inf")
    return found


@dataclass(frozen=True, slots=True)
class Squares:
    """Mean squares of `(D, N)` values; those of draws and residual are 0 where D is 1."""

    draw: float
    item: float
    residual: float
    draws: int
    items: int

    @property
    def sd_draw(self) -> float | None:
        """Standard deviation between draws alone; None where one draw cannot tell."""
        if self.draws < 2:
            return None
        return float(np.sqrt(max(self.draw - self.residual, 0.0) / self.items))

    @property
    def sd_item(self) -> float:
        """Standard deviation between items alone (with one draw: item and residual together)."""
        return float(np.sqrt(max(self.item - self.residual, 0.0) / self.draws))


def squares(values: Values) -> Squares:
    """Mean squares of `(D, N)` values."""
    draws, items = values.shape
    by_draw = values.sum(axis=1) / items  # `mean` is the same, and slower for a few values
    mean = by_draw.sum() / draws
    of_draw = by_draw - mean
    of_item = values.sum(axis=0) / draws - mean
    rest = values - by_draw[:, None]
    rest -= of_item
    rest *= rest
    return Squares(
        draw=float(items * (of_draw @ of_draw)) / (draws - 1) if draws > 1 else 0.0,
        item=float(draws * (of_item @ of_item)) / (items - 1) if items > 1 else 0.0,
        residual=float(rest.sum()) / ((draws - 1) * (items - 1))
        if draws > 1 and items > 1
        else 0.0,
        draws=draws,
        items=items,
    )


def flat(values: Values) -> bool:
    """Whether all values are equal, rounding apart."""
    least, most = float(values.min()), float(values.max())
    return most - least <= FLAT * max(1.0, abs(least), abs(most))


def binary(values: Values) -> bool:
    """Whether all values are 0 or 1."""
    first = values.flat[0] if values.size else 0.0  # mostly that is enough
    return first in {0.0, 1.0} and bool(((values == 0.0) | (values == 1.0)).all())
