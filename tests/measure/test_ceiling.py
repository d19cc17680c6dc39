"""The measured limits: real small products, and seconds from a fake clock."""

from __future__ import annotations

import pytest
import torch

from bench.core.suite import Precision
from bench.measure import StopRule, WallClock, measure_ceiling
from bench.measure.ceiling import Shape, copy, product


def ticking(step):
    """A clock that moves by so much at each look: any region takes that long."""
    now = 0.0

    def clock():
        nonlocal now
        now += step
        return now

    return WallClock(clock)


def small(**changes):
    known = {"tokens": 16, "width": 8, "side": 32, "copy_bytes": 1000, "watch": ticking(0.1)}
    return measure_ceiling("cpu", Precision.FP32, **(known | changes))


def test_rates_are_what_was_done_by_what_it_took():
    found = small()
    call = 0.1 / found.square.repeats
    assert found.square.repeats == found.copy.repeats == 2  # a round of two operands
    assert found.square_flops == pytest.approx(2 * 32**3 / call)
    assert found.feed_forward_shape == Shape(m=16, k=8, n=32)
    assert found.feed_forward_flops == pytest.approx(2 * 16 * 8 * 32 / call)
    assert found.bytes_per_second == pytest.approx(2 * 1000 / call)  # read and written
    assert found.roof.bytes_per_second == found.bytes_per_second


@pytest.mark.parametrize(("side", "better"), [(32, "square_flops"), (2, "feed_forward_flops")])
def test_the_better_product_is_the_ceiling(side, better):
    found = small(side=side)
    assert found.flops_per_second == getattr(found, better)
    assert found.roof.flops_per_second == max(found.square_flops, found.feed_forward_flops)


def test_the_model_has_its_own_feed_forward_width():
    assert small(feed_forward=24).feed_forward_shape.n == 24


@pytest.mark.parametrize("precision", [p for p in Precision if p is not Precision.AUTO])
def test_products_are_of_random_rotating_operands_in_the_precision(precision):
    work = product(Shape(m=4, k=6, n=5), precision, "cpu")
    first, second, third = (work(i).clone() for i in range(3))
    assert first.shape == (4, 5)
    assert str(first.dtype).removeprefix("torch.") == {
        Precision.FP32: "float32", Precision.BF16: "bfloat16", Precision.FP16: "float16",
    }[precision]  # fmt: skip
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert first.abs().min() > 0


def test_a_copy_copies():
    work = copy(500, "cpu")
    first, second, third = (work(i).clone() for i in range(3))
    assert first.nbytes == 500
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


def test_real_clock_gives_rates():
    rule = StopRule(least_seconds=0.02, most_seconds=0.05, most_warm_up_seconds=0.05)
    found = small(watch=None, rule=rule, side=64)
    assert found.flops_per_second > 0
    assert found.bytes_per_second > 0


def test_sizes_must_be_there():
    with pytest.raises(ValueError, match="at least 1"):
        small(width=0)
