"""Registered tasks for the tests: each loaded once, or skipped where its bytes cannot be had."""

from __future__ import annotations

import hashlib
import os
from functools import cache

import pytest

from bench.core.identity import item_digest
from bench.core.task import Split, Splits
from bench.tasks import registry

FSDD = frozenset(name for name in registry() if name.startswith("fsdd"))
FROM_MIRROR = frozenset({"banking77", "digit-pairs", "fashion-mnist", "trec"}) | FSDD
"""Their source is no package index: not every machine that runs the tests reaches it."""


def splits_of(name: str) -> Splits:
    """The splits of a registered task, or a skip with the reason."""
    if name in FROM_MIRROR and not os.environ.get("BENCH_MIRROR"):
        pytest.skip(f"BENCH_MIRROR is not set and the source of {name} may be out of reach")
    return _load(name)


@cache
def _load(name: str) -> Splits:
    return registry()[name].load()


def content(split: Split) -> str:
    """sha256 over the items of a split, in order, with targets and groups."""
    hasher = hashlib.sha256()
    for item in split.inputs:
        hasher.update(item_digest(item))
    hasher.update(split.targets.tobytes())
    if split.groups is not None:
        hasher.update(split.groups.tobytes())
    return hasher.hexdigest()
