"""How far a mean over draws and items may be off: one t quantile for each source of variance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, nctdtrinc, ndtr, stdtr, stdtrit

from bench.stats.anova import Values

Number: TypeAlias = float | Values

LEVEL = 0.95
"""Coverage of every interval here."""

ALPHA = 1 - LEVEL

POWER = 0.8
"""Probability with which a design is said to see a difference."""

_STEP = 0.005
_LAST = 26.0
"""Normal quantiles at which t quantiles are tabulated: up to a two-sided p of 5e-149, beyond
which the square of a t quantile of one degree of freedom is no float64."""

_NODES = np.arange(4)  # of a cubic


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Variances of a mean of `(D, N)` values, of one mean or of an array of them.

    From mean squares: `draw` is MS_draw / (D N), `item` is max(MS_item - MS_residual, 0)
    / (D N) and `noise`, which `draw` includes, is MS_residual / (D N). With one draw,
    `draw` and `noise` are 0 and `df_draw` is 0.

    The half width of the interval of level 1 - alpha is the root of

        max(t[df_draw]^2 draw, t[df_item]^2 noise) + t[df_item]^2 item

    where t[f] is the 1 - alpha / 2 quantile of Student's t with f degrees of freedom:
    Howe's interval for a sum of two means (Journal of the American Statistical
    Association 69, 1974; its relative for sums of variances is Graybill & Wang, the same
    journal 75, 1980). Draws are few and items many, and one quantile for both is too
    wide where items dominate, or too narrow where draws do: docs/adr/0003-intervals.md.
    The maximum is there because draws that agree by chance have the noise in them yet.
    """

    draw: Number
    item: Number
    noise: Number
    df_draw: float
    df_item: float

    @property
    def variance(self) -> Number:
        """Of the mean; components that come out negative count as 0."""
        found: Number = np.maximum(self.draw, self.noise) + self.item
        return found

    def half(self, alpha: float = ALPHA) -> Number:
        """Half width of the interval of level `1 - alpha`."""
        of_draw, of_item = (_quantile(df, alpha) ** 2 for df in (self.df_draw, self.df_item))
        floored = np.maximum(of_draw * self.draw, of_item * self.noise)
        found: Number = np.sqrt(floored + of_item * self.item)
        return found

    def sees(self, alpha: float = ALPHA) -> Number:
        """The smallest difference that the interval of level `1 - alpha` keeps from 0 with 80 %.

        As `half`, with the shift of Student's t that has that power in the place of each
        quantile (5.65 for three draws where the quantile is 4.30), and `draw` over the
        median of a chi-squared of its degrees of freedom over them: few draws estimate a
        variance that is mostly too small, by a third in the median of three.
        """
        of_draw, of_item = (_shift(df, alpha) ** 2 for df in (self.df_draw, self.df_item))
        draw = self.draw / _median_ratio(self.df_draw)
        found: Number = np.sqrt(
            np.maximum(of_draw * draw, of_item * self.noise) + of_item * self.item
        )
        return found

    def p(self, difference: Number) -> Values:
        """Two-sided p of a mean of 0: the alpha at which the interval just touches 0.

        Of a variance of 0 it is 0 (and 1 where the difference is 0 too).
        """
        distance = np.abs(np.asarray(difference, dtype=np.float64))
        p = _p_of_t(distance, np.asarray(self.noise + self.item), self.df_item)
        if self.df_draw < 1:
            return p
        shape = distance.shape
        draw, item = (np.broadcast_to(part, shape).ravel() for part in (self.draw, self.item))
        solved = _solve(distance.ravel(), draw, item, (self.df_draw, self.df_item))
        found: Values = np.maximum(p, solved.reshape(shape))
        return found

    @staticmethod
    def of_half(half: float, df_item: float) -> Components:
        """That of an interval of this half width, all of it from items."""
        variance = (half / _quantile(df_item, ALPHA)) ** 2
        return Components(draw=0.0, item=variance, noise=0.0, df_draw=0.0, df_item=df_item)


@lru_cache(maxsize=1024)  # a table asks for the same few ten thousand times
def _quantile(df: float, alpha: float) -> float:
    return float(stdtrit(max(df, 1.0), 1 - alpha / 2))


@lru_cache(maxsize=1024)
def _shift(df: float, alpha: float) -> float:
    """The noncentrality at which Student's t is above its quantile of `alpha` with `POWER`."""
    return float(nctdtrinc(max(df, 1.0), 1 - POWER, _quantile(df, alpha)))


def _median_ratio(df: float) -> float:
    """Median of a mean square with so many degrees of freedom, over its mean."""
    return float(chdtri(max(df, 1.0), 0.5) / max(df, 1.0))


def _p_of_t(distance: Values, variance: Values, df: float) -> Values:
    """Two-sided p of Student's t; 0 where there is no variance to a distance."""
    se = np.sqrt(variance)
    t = np.divide(distance, se, out=np.where(distance > 0, np.inf, 0.0), where=se > 0)
    p: Values = np.asarray(2 * stdtr(max(df, 1.0), -t))
    return p


@lru_cache(maxsize=64)
def _table(dfs: tuple[float, float]) -> tuple[Values, Values, Values]:
    """Normal quantiles from 0 up, and the squared t quantiles at the same tail probabilities."""
    z = np.arange(0.0, _LAST + _STEP, _STEP)
    tail = ndtr(-z)
    of_draw, of_item = (np.square(stdtrit(max(df, 1.0), tail)) for df in dfs)
    return z, of_draw, of_item


def _solve(distance: Values, draw: Values, item: Values, dfs: tuple[float, float]) -> Values:
    """The alpha at which `t_draw^2 draw + t_item^2 item = distance^2`, `(m,)` at once.

    Bisection over a table of quantiles, then a cubic through the four nearest entries:
    that is right to about 1e-9 of p, and 12,000 pairs take some milliseconds.
    """
    z, of_draw, of_item = _table(dfs)
    square = distance * distance
    last = len(z) - 1

    def squared(at: NDArray[np.int64]) -> Values:
        found: Values = of_draw.take(at) * draw
        found += of_item.take(at) * item
        return found

    if len(distance) == 1:  # the whole curve at once is faster than thirteen steps
        low = np.searchsorted(of_draw * draw + of_item * item, square) - 1
        low = np.maximum(low, 0)
    else:
        low = np.zeros(distance.shape, dtype=np.int64)  # the last quantile that is below
        for power in range(last.bit_length() - 1, -1, -1):
            at = np.minimum(low + (1 << power), last)
            low = np.where(squared(at) < square, at, low)
    beyond = low == last
    low = np.minimum(low, last - 1)
    at = np.clip(low - 1, 0, last - 3) + _NODES[:, None]
    nodes = np.sqrt(squared(at))
    gaps = nodes[:, None] - nodes
    ratios = (distance - nodes) / np.where(gaps == 0, 1.0, gaps)
    ratios[_NODES, _NODES] = 1.0
    found = (ratios.prod(axis=1) * z[at]).sum(axis=0)
    found = np.where(beyond, _LAST, np.clip(found, z[low], z[low + 1]))
    p: Values = 2 * ndtr(-np.where(distance == 0, 0.0, found))
    return p
