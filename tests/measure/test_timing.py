"""The measurement loop, on fake clocks: what is a sample, and when it stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import EventClock, StopRule, Timing, WallClock, measure
from bench.measure.timing import RULE, Loop, Stopped
from tests.measure.fakes import FakeClock, FakeDevice


class Bench:
    """Work whose call i takes `seconds(i)`; keeps its numbers and the regions."""

    def __init__(self, seconds):
        self.clock = FakeClock()
        self.watch = WallClock(self.clock)
        self.seconds = seconds
        self.numbers = []

    def work(self, number):
        self.numbers.append(number)
        self.clock.now += self.seconds(number)

    def measure(self, rule=RULE, cycle=1):
        return measure(self.work, self.watch, rule, cycle=cycle)


def kept(timing):
    """Seconds of each region."""
    return np.array(timing.samples) * timing.repeats


@given(st.floats(2e-5, 1.5))
def test_steady_work_is_told_exactly_in_regions_of_10_ms(seconds):
    timing = Bench(lambda _: seconds).measure()
    assert timing.samples == pytest.approx([seconds] * len(timing.samples))
    assert (timing.median, timing.low, timing.high) == pytest.approx([seconds] * 3)
    assert (timing.stopped, timing.warm_up_stopped) == (Stopped.STABLE, Stopped.STABLE)
    assert len(timing.samples) >= 10
    assert kept(timing).min() >= 0.010
    assert kept(timing).sum() >= 0.5


@given(st.lists(st.floats(1e-3, 0.1), min_size=1, max_size=7), st.integers(0, 2**32))
def test_whatever_the_work_the_result_keeps_its_promises(seconds, seed):
    noise = np.random.default_rng(seed).lognormal(0, 0.3, 64)
    found = Bench(lambda i: seconds[i % len(seconds)] * float(noise[i % 64]))
    rule = StopRule(most_seconds=3.0, most_warm_up_seconds=1.0)
    timing = found.measure(rule, cycle=len(seconds))
    assert found.numbers == list(range(len(found.numbers)))  # none twice, none left out
    assert len(found.numbers) == timing.warm_up + timing.repeats * len(timing.samples)
    assert timing.repeats % len(seconds) == timing.warm_up % len(seconds) == 0
    assert len(timing.samples) >= rule.least_samples
    assert kept(timing).min() >= rule.region_seconds
    assert min(timing.samples) <= timing.p5 <= timing.median <= timing.p95 <= max(timing.samples)
    assert timing.low <= timing.median <= timing.high
    stable = timing.relative_error <= rule.relative_error and kept(timing).sum() >= 0.5
    assert stable == (timing.stopped is Stopped.STABLE)


def test_restless_work_stops_at_the_limit_and_says_so():
    timing = Bench(lambda i: 0.02 if i % 3 else 0.05).measure(StopRule(most_seconds=2.0))
    assert timing.stopped is Stopped.LIMIT
    assert timing.relative_error > 0.005
    assert 2.0 <= kept(timing).sum() < 2.1


def test_slow_work_has_its_ten_samples_and_no_more():
    timing = Bench(lambda i: 60.0 + i % 2 * 20).measure()
    assert len(timing.samples) == 10
    assert timing.stopped is timing.warm_up_stopped is Stopped.LIMIT


def test_compile_time_is_in_no_sample():
    timing = Bench(lambda i: 30.0 if i == 0 else 0.001).measure()
    assert max(timing.samples) == pytest.approx(0.001)
    assert timing.warm_up_stopped is Stopped.STABLE


@pytest.mark.parametrize("start", [0.05, 0.005])
def test_the_warm_up_lasts_until_times_settle(start):
    """A clock that ramps up over 60 calls, or down."""
    timing = Bench(lambda i: 0.02 + (start - 0.02) * max(1 - i / 60, 0)).measure()
    assert timing.warm_up > 55
    assert timing.warm_up_stopped is Stopped.STABLE
    assert timing.samples == pytest.approx([0.02] * len(timing.samples), rel=0.05)


def test_a_whole_round_of_batches_hides_their_sizes():
    batches = [0.001, 0.004, 0.010, 0.002]
    timing = Bench(lambda i: batches[i % 4]).measure(cycle=4)
    assert timing.samples == pytest.approx([np.mean(batches)] * len(timing.samples))
    one = Bench(lambda i: batches[i % 4]).measure(cycle=1)
    assert one.relative_error > timing.relative_error


def test_work_that_becomes_faster_is_measured_anew():
    timing = Bench(lambda i: 0.012 if i < 12 else 0.003).measure()
    assert timing.samples == pytest.approx([0.003] * len(timing.samples))
    assert kept(timing).min() >= 0.010


def test_a_clock_that_stands_is_an_error():
    with pytest.raises(ValueError, match="does the clock stand"):
        Bench(lambda _: 0.0).measure()


def test_work_that_nothing_can_time_is_an_error(monkeypatch):
    monkeypatch.setattr("bench.measure.timing._MOST_CALLS", 10_000)
    with pytest.raises(ValueError, match="does the clock stand"):
        Bench(lambda _: 1e-9).measure()


def test_a_device_is_waited_for_once_a_series():
    device = FakeDevice()
    timing = measure(lambda _: device.launch(0.001), EventClock(device.event, device.synchronise))
    assert timing.samples == pytest.approx([0.001] * len(timing.samples), rel=0.01)
    regions = len(timing.samples)
    warm_up_waits = timing.warm_up / 10  # one for each region, 10 ms of work each
    assert regions >= 40
    assert device.waits <= warm_up_waits + regions / 10 + 3


def test_regions_of_a_series_are_read_in_order():
    found = Bench(lambda i: i + 1.0)
    loop = Loop(found.work, found.watch)
    assert loop.series(3, 1) == [1.0, 2.0, 3.0]
    assert loop.series(1, 2) == [9.0]
    assert loop.calls == 5


def test_rates_turn_the_interval_round():
    timing = Timing(
        samples=(1.0, 2.0, 4.0), repeats=1, median=2.0, p5=1.0, p95=4.0, low=1.5, high=3.0,
        relative_error=0.1, stopped=Stopped.LIMIT, warm_up=1, warm_up_stopped=Stopped.STABLE,
    )  # fmt: skip
    rate = timing.rate(12)
    assert (rate.median, rate.low, rate.high, rate.p5, rate.p95) == (6, 4, 8, 3, 12)


@pytest.mark.parametrize(
    "change",
    [
        {"least_samples": 1},
        {"least_seconds": 0.0},
        {"relative_error": -1.0},
        {"most_seconds": float("nan")},
        {"region_seconds": 0},
    ],
)
def test_a_rule_that_makes_no_sense_is_an_error(change):
    with pytest.raises(ValueError, match="stop rule"):
        replace(RULE, **change)
    with pytest.raises(ValueError, match="at least 1 call"):
        Bench(lambda _: 1.0).measure(cycle=0)
