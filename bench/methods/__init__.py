"""Ways to adapt a backbone to a task, one module each."""

from __future__ import annotations

from functools import lru_cache

from bench.core.method import Method
from bench.core.registry import Registry, discover

__all__ = ["registry"]


@lru_cache
def registry() -> Registry[Method]:
    """Every registered method; another package adds its own under `bench.methods`."""
    return Registry("method", discover("bench.methods", "METHODS", "bench.methods"))
