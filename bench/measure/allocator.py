"""Memory that a process frees and soon wants again stays with it, until it is done with it."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

TRIM, TOP_PAD, MMAP = -1, -2, -3
"""Names of mallopt's parameters in glibc's malloc.h."""
KEPT_BYTES, GROWN_BYTES = 2**29, 2**26
"""What may lie free at the heap's end, and by how much it grows at a time."""
LARGEST_IN_HEAP = 2**25
"""The most that glibc lets be the limit above which memory comes from the system each time."""


def keep_memory() -> bool:
    """Have glibc keep what is freed; whether it will. Elsewhere nothing is done.

    A layer's activations are megabytes that are freed and allocated again at every batch. Given
    back to the system in between, every page of them is cleared and mapped anew: efficientnet-lite0
    at 112 pixels took 1.5 times as long in batches of 32 (two EPYC cores). Up to `KEPT_BYTES` more
    stay resident.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    wanted = {MMAP: LARGEST_IN_HEAP, TRIM: KEPT_BYTES, TOP_PAD: GROWN_BYTES}
    return all(mallopt(name, size) == 1 for name, size in wanted.items())


def give_back() -> bool:
    """Have glibc give all that lies free to the system; whether there was any. Elsewhere nothing is
    done."""
    trim = _of_glibc("malloc_trim")
    return trim is not None and trim(0) == 1


def _of_glibc(name: str) -> Any:
    """A function of the C library; None where it has none of that name (musl, macOS)."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
