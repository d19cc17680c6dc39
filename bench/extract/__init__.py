"""From raw inputs to features: token ids, batch plan, forward, order, caches."""

from bench.extract.budget import LEAST_WORK, Budgets, Sweep, default_budget, sweep
from bench.extract.cache import EXTRACTION_VERSION, FeatureCache
from bench.extract.plan import BatchPlan, plan_batches
from bench.extract.run import Extracted, extract
from bench.extract.tokens import TokenCache

__all__ = [
    "EXTRACTION_VERSION",
    "LEAST_WORK",
    "BatchPlan",
    "Budgets",
    "Extracted",
    "FeatureCache",
    "Sweep",
    "TokenCache",
    "default_budget",
    "extract",
    "plan_batches",
    "sweep",
]
