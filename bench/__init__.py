"""Which backbone, adapted how? Suites in, leaderboards out.

import bench
records = bench.run("suites/smoke.toml")
frame = bench.leaderboard("runs/smoke")
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "break_even",
    "budget_curve",
    "leaderboard",
    "ledger",
    "plan",
    "publish",
    "robustness",
    "run",
    "table",
    "throughput",
]


def __getattr__(name: str) -> Any:
    """The public functions, imported on first use: `import bench` costs nothing."""
    if name in __all__:
        from bench import api

        return api.PUBLIC[name]
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
