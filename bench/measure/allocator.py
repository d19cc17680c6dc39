"""Memory that a process frees and soon wants again stays with it."""

from __future__ import annotations

import ctypes
import sys

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
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is None:
        return False
    wanted = {MMAP: LARGEST_IN_HEAP, TRIM: KEPT_BYTES, TOP_PAD: GROWN_BYTES}
    return all(mallopt(name, size) == 1 for name, size in wanted.items())
