"""Compiled code in several threads at once: those of torch, which wait for work as it is.

torch's OpenMP threads go on asking for work for a while after each of its operators. Other
threads beside them would share their cores.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias

Together: TypeAlias = Callable[[int, int, int], None]


def together(body: int, data: int, threads: int) -> None:
    """Call C's `void body(void *data)` in so many threads, and wait for all of them.

    Args:
        body: its address.
        data: the address of what it is given, the same in each.
        threads: at most `torch.get_num_threads()`.
    """
    if threads == 1:
        _function(body)(data)
    else:
        _team()(body, data, threads)


@lru_cache
def _team() -> Together:
    parallel = _parallel()
    if parallel is None:
        return _by_python
    return partial(_by_openmp, parallel)


def _by_openmp(parallel: Any, body: int, data: int, threads: int) -> None:
    parallel(body, data, threads, 0)


def _by_python(body: int, data: int, threads: int) -> None:
    """Where torch's threads cannot be had; Python's do not wait for each other in `body`."""
    call = _function(body)
    for done in [_pool(threads).submit(call, data) for _ in range(threads)]:
        done.result()


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="compiled")


@lru_cache
def _function(body: int) -> Any:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(body)


def _parallel() -> Any:
    """What a compiler calls for `#pragma omp parallel`, of the OpenMP library that torch has.

    GNU's and LLVM's libraries have it under this name (libgomp's manual, "The libgomp ABI").
    """
    import torch
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    own = Path(torch.__file__).parent
    paths = [Path(of["filepath"]) for of in threadpool_info() if of["user_api"] == "openmp"]
    paths = [path for path in paths if own in path.parents] or (paths if len(paths) == 1 else [])
    for path in paths:
        found = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if found is not None:
            found.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            found.restype = None
            return found
    return None
