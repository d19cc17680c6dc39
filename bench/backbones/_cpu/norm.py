"""A residual and its layer norm on a CPU: one compiled loop over tokens, on all threads.

torch adds, rounds, and reads everything again to norm it. Here a token's sum stays in the cache, in
float32, until it has been normed (Ba et al. 2016, "Layer normalization", arXiv:1607.06450).
"""

# mypy: disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import carray, njit

from bench.backbones._cpu import lanes
from bench.backbones._cpu.compiling import job_of, native, version_of
from bench.backbones._cpu.lanes import (
    LANES,
    fused,
    load,
    minus,
    plus,
    pointer,
    spread,
    store,
    ticket,
    times,
    total,
)
from bench.backbones._cpu.teams import together

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 32
"""At a time."""

FIELDS = (
    *("part", "thread"),  # counters: the next tokens, and the next thread
    *("states", "before", "weight", "bias", "work"),  # addresses
    *("tokens", "width"),
)
JOB = np.dtype([*((name, np.int64) for name in FIELDS), ("eps", np.float64)])
_F = np.float32


class Norming:
    """`x, before -> layer norm of x + before`, written over `x`."""

    def __init__(self, weight: Tensor, bias: Tensor, eps: float) -> None:
        """Of states of the type and width of `weight`, which is some times 16."""
        import torch

        self._half, self._width = weight.dtype == torch.bfloat16, len(weight)
        self._eps = eps
        self._pair = weight.float().contiguous().numpy(), bias.float().contiguous().numpy()
        self._body = body_of(half=self._half)

    def __call__(self, x: Tensor, before: Tensor) -> Tensor:
        """Both `(t, d)`."""
        import torch

        x, before = x.contiguous(), before.contiguous()
        threads = torch.get_num_threads()
        weight, bias = self._pair
        work = torch.empty(threads * 2 * self._width).numpy()
        arrays = {"weight": weight, "bias": bias, "work": work}
        job = job_of(JOB, arrays, tokens=len(x), width=self._width)
        job["states"], job["before"], job["eps"] = x.data_ptr(), before.data_ptr(), self._eps
        together(self._body.address, job.ctypes.data, threads)
        return x


@lru_cache
def body_of(*, half: bool) -> Any:
    """The compiled `void body(JOB *)`; `half` says that the model's type is bfloat16."""
    stored = np.uint16 if half else np.float32
    version = version_of(lanes)

    def body(data: Any) -> None:
        _ = version
        job, counters = carray(data, (1,), JOB)[0], carray(data, (2,), np.int64)
        width, tokens = job.width, job.tokens
        states = carray(pointer(job.states), (tokens * width,), stored)
        before = carray(pointer(job.before), (tokens * width,), stored)
        weight = carray(pointer(job.weight), (width,), np.float32)
        bias = carray(pointer(job.bias), (width,), np.float32)
        own = job.work + 4 * 2 * width * ticket(counters, 1)
        work = carray(pointer(own), (2 * width,), np.float32)
        first = TOKENS * ticket(counters, 0)
        while first < tokens:
            last = min(first + TOKENS, tokens) - 1
            for token in range(first, last + 1, 2):
                at = token * width, min(token + 1, last) * width
                _norm(states, before, weight, bias, work, at, width, job.eps)
            first = TOKENS * ticket(counters, 0)

    return native(body)


@njit(error_model="numpy")
def _norm(
    states: Any, before: Any, weight: Any, bias: Any, work: Any, at: Any, width: int, eps: float
) -> None:
    """Two tokens side by side, so that one's sums wait beside the other's, or one twice. The
    variance is that of what the mean was taken off."""
    one, other = at
    a = b = spread(_F(0))
    for c in range(0, width, LANES):
        x = plus(load(states, one + c), load(before, one + c))
        y = plus(load(states, other + c), load(before, other + c))
        a, b = plus(a, x), plus(b, y)
        store(work, 2 * c, x)
        store(work, 2 * c + LANES, y)
    left, right = spread(_F(total(a) / width)), spread(_F(total(b) / width))
    a = b = spread(_F(0))
    for c in range(0, width, LANES):
        x, y = minus(load(work, 2 * c), left), minus(load(work, 2 * c + LANES), right)
        a, b = fused(x, x, a), fused(y, y, b)
        store(work, 2 * c, x)
        store(work, 2 * c + LANES, y)
    left = spread(_F(1 / np.sqrt(total(a) / width + eps)))
    right = spread(_F(1 / np.sqrt(total(b) / width + eps)))
    for c in range(0, width, LANES):
        x, y = times(load(work, 2 * c), left), times(load(work, 2 * c + LANES), right)
        of, more = load(weight, c), load(bias, c)
        store(states, one + c, fused(x, of, more))
        store(states, other + c, fused(y, of, more))
