"""How many threads the small linear algebra of heads gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

LARGE_PRODUCT = 10**9
"""Multiplications of one matrix product, a twentieth of a second of one core, from which several
threads are worth having.  Below, they wait for each other: on cores that are shared, many times
longer than they work (docs/adr/0008-heads.md)."""

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(
    work: Callable[[Sequence[T]], R], parts: Sequence[T], multiplications: int
) -> list[R]:
    """What `work` makes of all `parts`: of a share of them in each of torch's threads, or of all
    at once with all threads in each product where a product of them all is large.

    A thread with products of its own waits for nobody, unlike those that share a small one.
    """
    import torch

    threads = min(torch.get_num_threads(), len(parts))
    with few_threads(multiplications):
        if threads < 2 or multiplications >= LARGE_PRODUCT:
            return [work(parts)]
        shares = [parts[at::threads] for at in range(threads)]
        return list(pool(threads).map(work, shares))


@lru_cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Kept: a new thread has no memory to hand, and small work took a quarter longer in one."""
    return ThreadPoolExecutor(threads, thread_name_prefix="heads")


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
