"""Uncertainty: intervals, comparisons, ranks, many tasks, trade-offs. Pure numpy, no I/O."""

from bench.stats.across import FEWEST, Across, Spread, across
from bench.stats.calibration import Calibration, calibration, temperature, tempered
from bench.stats.components import LEVEL, Components
from bench.stats.elo import elo, rated
from bench.stats.intervals import SHARES, Bounds, Covers, Estimate, combine, two_way
from bench.stats.logme import agreement, logme
from bench.stats.multiple import holm
from bench.stats.paired import Comparison, compare
from bench.stats.pairwise import Pairwise, pairwise
from bench.stats.pareto import TOLERANCE, dominance, front, less
from bench.stats.ranks import ranks
from bench.stats.ratios import Ratio, median_interval, paired_ratio, spread_alike
from bench.stats.shares import Shares, shares

__all__ = [
    "FEWEST",
    "LEVEL",
    "SHARES",
    "TOLERANCE",
    "Across",
    "Bounds",
    "Calibration",
    "Comparison",
    "Components",
    "Covers",
    "Estimate",
    "Pairwise",
    "Ratio",
    "Shares",
    "Spread",
    "across",
    "agreement",
    "calibration",
    "combine",
    "compare",
    "dominance",
    "elo",
    "front",
    "holm",
    "less",
    "logme",
    "median_interval",
    "paired_ratio",
    "pairwise",
    "ranks",
    "rated",
    "shares",
    "spread_alike",
    "temperature",
    "tempered",
    "two_way",
]
