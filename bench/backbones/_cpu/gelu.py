"""GELU on a CPU, in the place of its input: one compiled loop, on all threads.

`x (1 + erf(x / sqrt 2)) / 2` itself (Hendrycks and Gimpel 2016, "Gaussian error linear units",
arXiv:1606.08415), not its form by tanh. The error function is x times a rational function of x^2,
fitted here: up to the edge it is within 2e-8 of erf(x / sqrt 2), beyond it taken as at the edge.
In float32 GELU is off by at most 1.9e-7 of |x|, where torch's is by 2.7e-7.
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
    larger,
    load,
    over,
    pointer,
    smaller,
    spread,
    store,
    ticket,
    times,
)
from bench.backbones._cpu.teams import together

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 16_384
"""Numbers at a time."""
JOB = np.dtype([(name, np.int64) for name in ("part", "values", "count")])
"""A counter, the next block; an address; how many there are."""
_F = np.float32
EDGE = _F(5.4)
"""There erf(x / sqrt 2) is 7e-8 from 1, a float32's last bit."""
ABOVE = tuple(
    _F(of / 2)
    for of in (
        *(0.797884491, 0.066744619, 0.00930171317, 0.000328645084, 1.27200538e-05),
        4.67733713e-08,
    )
)
BELOW = tuple(
    _F(of) for of in (1.0, 0.250318064, 0.0283787348, 0.00185898643, 7.24004584e-05, 1.21659004e-06)
)
"""Of x^0, x^2 and so on: least squares over Chebyshev nodes, their weights raised where the error
is largest (Lawson's method); `ABOVE` is halved."""


def gelu(x: Tensor) -> Tensor:
    """GELU of float32 or bfloat16 numbers, so many as are some times 16, written over them."""
    import torch

    x = x.contiguous()
    job = job_of(JOB, {}, count=x.numel())
    job["values"] = x.data_ptr()
    body = body_of(half=x.dtype == torch.bfloat16)
    together(body.address, job.ctypes.data, torch.get_num_threads())
    return x


@lru_cache
def body_of(*, half: bool) -> Any:
    """The compiled `void body(JOB *)`; `half` says that the numbers are bfloat16."""
    stored = np.uint16 if half else np.float32
    version = version_of(lanes)

    def body(data: Any) -> None:
        _ = version
        job, counters = carray(data, (1,), JOB)[0], carray(data, (1,), np.int64)
        values = carray(pointer(job.values), (job.count,), stored)
        first = BLOCK * ticket(counters, 0)
        while first < job.count:
            last = min(first + BLOCK, job.count) - LANES
            for at in range(first, last + 1, 2 * LANES):
                _gelu(values, at, min(at + LANES, last))
            first = BLOCK * ticket(counters, 0)

    return native(body)


@njit(error_model="numpy")
def _gelu(values: Any, one: int, other: int) -> None:
    """Two vectors side by side, so that one's sums wait beside the other's, or one twice."""
    x, y = load(values, one), load(values, other)
    low, high = spread(-EDGE), spread(EDGE)
    a, b = larger(low, smaller(high, x)), larger(low, smaller(high, y))
    s, t = times(a, a), times(b, b)
    p = q = spread(ABOVE[5])
    u = v = spread(BELOW[5])
    for i in range(4, -1, -1):
        above, below = spread(ABOVE[i]), spread(BELOW[i])
        p, q = fused(p, s, above), fused(q, t, above)
        u, v = fused(u, s, below), fused(v, t, below)
    half = spread(_F(0.5))
    store(values, one, times(x, fused(a, over(p, u), half)))
    store(values, other, times(y, fused(b, over(q, v), half)))
