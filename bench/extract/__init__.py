"""From raw inputs to features: token ids, batch plan, forward, order, caches."""

from bench.extract.budget import DEFAULTS, LEAST_WORK, Budgets, Sweep, sweep
from bench.extract.cache import EXTRACTION_VERSION, FeatureCache
from bench.extract.plan import BatchPlan, plan_batches
from bench.extract.run import Extracted, extract
from bench.extract.tokens import TokenCache

__all__ = [
    "DEFAULTS",
    "EXTRACTION_VERSION",
    "LEAST_WORK",
    "BatchPlan",
    "Budgets",
    "Extracted",
    "FeatureCache",
    "Sweep",
    "TokenCache",
    "extract",
    "plan_batches",
    "sweep",
]
