"""How many threads the small linear algebra of heads gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

LARGE_PRODUCT = 10**9
"""Multiplications of one matrix product, a twentieth of a second of one core, from which several
threads are worth having.  Below, they wait for each other: on cores that are shared, many times
longer than they work (docs/adr/0008-heads.md)."""


@contextmanager
def few_threads(multiplications: int) -> Iterator[None]:
    """One thread for what is done inside, unless a matrix product in it is large.

    It holds for BLAS, OpenMP and torch, and ends with what was there before.
    """
    import torch

    if multiplications >= LARGE_PRODUCT:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # it tells its own BLAS, too, which no thread pool lists
    try:
        with _thread_pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache
def _thread_pools() -> Any:
    """The thread pools of numpy, SciPy and scikit-learn; to look for them takes milliseconds."""
    import sklearn.linear_model  # noqa: F401 -- a pool is found once its library is loaded
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
