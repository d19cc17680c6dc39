"""Where the variance of a mean comes from: draws, seeds within draws, test items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of the variance of a mean over draws, seeds and items; they add up to 1.

    `draw` is which training items were labelled, `seed` everything else that is random
    in learning, `item` which items are tested, and `rest` what these do together.
    """

    draw: float
    seed: float
    item: float
    rest: float


def shares(values: ArrayLike) -> Shares | None:
    """Divide the variance of the mean of `(D, S, N)` values: S seeds in each of D draws, N items.

    Seeds are nested in draws (a seed means nothing without its draw), and items crossed with
    both. Components by the expected mean squares of that design (Searle, Casella & McCulloch,
    Variance Components, 1992, chapter 4), each over its count in the grand mean; negative ones
    count as 0. None where there are fewer than two draws, seeds a draw or items, where
    they cannot be told apart, or where nothing varies.

    Raises:
        ValueError: if `values` is not three-dimensional or holds NaN or Inf.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 3:
        raise ValueError(f"values must be (draws, seeds, items); they are {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("values hold NaN or Inf")
    draws, seeds, items = x.shape
    if min(x.shape) < 2:
        return None
    by_draw, by_seed, by_item = x.mean(axis=(1, 2)), x.mean(axis=2), x.mean(axis=(0, 1))
    by_draw_item = x.mean(axis=1)
    mean = x.mean()
    of_draw = seeds * items * _sum(by_draw - mean) / (draws - 1)
    of_seed = items * _sum(by_seed - by_draw[:, None]) / (draws * (seeds - 1))
    of_item = draws * seeds * _sum(by_item - mean) / (items - 1)
    of_draw_item = seeds * _sum(by_draw_item - by_draw[:, None] - by_item + mean)
    of_draw_item /= (draws - 1) * (items - 1)
    rest = _sum(x - by_seed[:, :, None] - by_draw_item[:, None, :] + by_draw[:, None, None])
    rest /= draws * (seeds - 1) * (items - 1)
    draw = max(of_draw - of_seed - of_draw_item + rest, 0.0) / (seeds * items) / draws
    seed = max(of_seed - rest, 0.0) / items / (draws * seeds)
    item = max(of_item - of_draw_item, 0.0) / (draws * seeds) / items
    together = max(of_draw_item - rest, 0.0) / seeds / (draws * items)
    together += rest / (draws * seeds * items)
    total = draw + seed + item + together
    if total <= 0:
        return None
    return Shares(draw=draw / total, seed=seed / total, item=item / total, rest=together / total)


def _sum(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(np.square(values).sum())
