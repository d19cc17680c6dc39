"""From raw inputs to features: batch plan, forward, order, cache."""

from bench.extract.cache import EXTRACTION_VERSION, FeatureCache
from bench.extract.plan import BatchPlan, plan_batches
from bench.extract.run import Extracted, extract

__all__ = [
    "EXTRACTION_VERSION",
    "BatchPlan",
    "Extracted",
    "FeatureCache",
    "extract",
    "plan_batches",
]
