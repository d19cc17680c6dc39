"""What a row's data let the gate see, at the level at which it decides."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import chdtri, nctdtrinc, stdtrit

from bench.stats import LEVEL, Components
from bench.stats.components import POWER


def sees(parts: Components, family: int) -> float | None:
    """The smallest difference that `family` rows at once, by Holm, show with 80 %; None if none.

    `Components.sees` is that of one comparison alone. The first of m rows to be shown must
    pass at alpha / m, and with few draws Student's t there is far out: 4.3 alone and 25.7
    among 33 with three draws.
    """
    if family <= 1:
        return _finite(float(parts.sees()))
    alpha = (1 - LEVEL) / family
    of_draw, of_item = (_shift(df, alpha) ** 2 for df in (parts.df_draw, parts.df_item))
    freedom = max(parts.df_draw, 1.0)
    draw = parts.draw / (chdtri(freedom, 0.5) / freedom)
    return _finite(
        float(np.sqrt(np.maximum(of_draw * draw, of_item * parts.noise) + of_item * parts.item))
    )


@lru_cache(maxsize=1024)  # rows share their degrees of freedom
def _shift(df: float, alpha: float) -> float:
    freedom = max(df, 1.0)
    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - alpha / 2)))


def _finite(found: float) -> float | None:
    return found if np.isfinite(found) else None
