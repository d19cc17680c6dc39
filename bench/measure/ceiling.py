"""The hardware's limits, measured in the same run: matrix products and a device copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.core.suite import Precision
from bench.measure.device_clock import Stopwatch, device_stopwatch
from bench.measure.limits import Roof
from bench.measure.timing import StopRule, Timing, measure

SIDE = {"cpu": 2048, "cuda": 8192}
"""Side of the square product: large enough for the highest rate, and 0.1 s or less."""
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Size of one copy: many times the last cache (an H100 has 50 MB, a server's CPU up to 100)."""
CEILING_RULE = StopRule(most_seconds=3.0, most_warm_up_seconds=3.0)
"""Three measurements in at most 20 s on a restless machine; the medians need no more."""
_OPERANDS = 2
"""Products and copies rotate so many sets of random operands: zeros draw less power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A matrix product `(m, k) x (k, n)`; one call of it is 2 m k n FLOPs."""

    m: int
    k: int
    n: int

    @property
    def flops(self) -> float:
        return 2.0 * self.m * self.k * self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What the device gave in these measurements, with their samples.

    `bytes_copied` is the size of one copy. A copy reads and writes each byte, and both are
    counted. (A CPU may read the destination, too: what is counted is what was asked for.)
    """

    device: str
    precision: Precision
    square_shape: Shape
    square: Timing
    feed_forward_shape: Shape
    feed_forward: Timing
    bytes_copied: int
    copy: Timing

    @property
    def square_flops(self) -> float:
        """FLOP/s of the large square product (median)."""
        return self.square_shape.flops / self.square.median

    @property
    def feed_forward_flops(self) -> float:
        """FLOP/s of the product at the model's own shape (median)."""
        return self.feed_forward_shape.flops / self.feed_forward.median

    @property
    def flops_per_second(self) -> float:
        """FLOP/s of the better of the two products."""
        return max(self.square_flops, self.feed_forward_flops)

    @property
    def bytes_per_second(self) -> float:
        """Bytes/s of the copy, read and written (median)."""
        return 2 * self.bytes_copied / self.copy.median

    @property
    def roof(self) -> Roof:
        """The two limits, for `utilisation`."""
        return Roof(self.flops_per_second, self.bytes_per_second)


def measure_ceiling(
    device: str,
    precision: Precision,
    *,
    tokens: int,
    width: int,
    feed_forward: int | None = None,
    side: int | None = None,
    copy_bytes: int | None = None,
    rule: StopRule = CEILING_RULE,
    watch: Stopwatch | None = None,
) -> Ceiling:
    """Measure the limits for a model of `width` d and `feed_forward` f (4d unless given).

    The products are `(side, side) x (side, side)` and `(tokens, d) x (d, f)`, in
    `precision`, with the second operand laid out as a linear layer's weight. Threads and
    what torch allows fp32 products (TF32) are those of the process: set them as for the
    model. The buffers (1 GB on a CPU, 4 GB on a GPU) count in peak memory: measure before
    `reset_peak`.

    Args:
        device: "cpu" or "cuda".
        precision: of the products.
        tokens: of one batch.
        width: d.
        feed_forward: f.
        side: of the square product; `SIDE` unless given.
        copy_bytes: size of one copy; `COPY_BYTES` unless given.
        rule: when each of the three stops.
        watch: injected in tests.

    Raises:
        ValueError: if a size is below 1.
    """
    kind = device.partition(":")[0]
    side = SIDE[kind] if side is None else side
    copy_bytes = COPY_BYTES[kind] if copy_bytes is None else copy_bytes
    inner = 4 * width if feed_forward is None else feed_forward
    if min(side, copy_bytes, tokens, width, inner) < 1:
        raise ValueError("sizes of products and of the copy are at least 1")
    watch = device_stopwatch(device) if watch is None else watch
    square = Shape(m=side, k=side, n=side)
    model = Shape(m=tokens, k=width, n=inner)

    def timed(work: Callable[[int], object]) -> Timing:
        return measure(work, watch, rule, cycle=_OPERANDS)

    return Ceiling(
        device=device,
        precision=precision,
        square_shape=square,
        square=timed(product(square, precision, device)),
        feed_forward_shape=model,
        feed_forward=timed(product(model, precision, device)),
        bytes_copied=copy_bytes,
        copy=timed(copy(copy_bytes, device)),
    )


def product(shape: Shape, precision: Precision, device: str) -> Callable[[int], object]:
    """Work that multiplies random matrices of this shape into a buffer it keeps."""
    import torch

    dtype = torch_dtype(precision)

    def random(rows: int, columns: int) -> Any:
        return torch.randn(rows, columns, device=device).to(dtype)

    left = [random(shape.m, shape.k) for _ in range(_OPERANDS)]
    weights = [random(shape.n, shape.k).t() for _ in range(_OPERANDS)]
    out = torch.empty(shape.m, shape.n, device=device, dtype=dtype)

    def work(number: int) -> object:
        place = number % _OPERANDS
        return torch.mm(left[place], weights[place], out=out)

    return work


def copy(size: int, device: str) -> Callable[[int], object]:
    """Work that copies `size` random bytes within the device's memory."""
    import torch

    sources = [
        torch.randint(256, (size,), device=device, dtype=torch.uint8) for _ in range(_OPERANDS)
    ]
    target = torch.empty_like(sources[0])

    def work(number: int) -> object:
        return target.copy_(sources[number % _OPERANDS])

    return work


def torch_dtype(precision: Precision) -> Any:
    """The torch type of a precision."""
    import torch

    return {
        Precision.FP32: torch.float32,
        Precision.BF16: torch.bfloat16,
        Precision.FP16: torch.float16,
    }[precision]
