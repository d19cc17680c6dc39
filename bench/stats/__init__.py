"""Uncertainty: intervals, paired comparisons, ranks with ties. Pure numpy, no I/O."""

from bench.stats.components import LEVEL, Components
from bench.stats.intervals import Bounds, Covers, Estimate, combine, two_way
from bench.stats.multiple import holm
from bench.stats.paired import Comparison, compare
from bench.stats.pairwise import Pairwise, pairwise
from bench.stats.ranks import tie_groups

__all__ = [
    "LEVEL",
    "Bounds",
    "Comparison",
    "Components",
    "Covers",
    "Estimate",
    "Pairwise",
    "combine",
    "compare",
    "holm",
    "pairwise",
    "tie_groups",
    "two_way",
]
