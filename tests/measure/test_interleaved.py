"""Contenders in turn: a balanced order, the same work, and a ratio that drift does not move."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import EventClock, StopRule, WallClock, interleave
from bench.measure.interleaved import balanced
from tests.measure.fakes import FakeClock, FakeDevice


def names(count):
    return tuple("ABCDEFG"[:count])


def test_the_order_of_two_and_three():
    assert ["".join(r) for r in balanced(names(2), 4)] == ["AB", "BA", "AB", "BA"]
    assert ["".join(r) for r in balanced(names(3), 6)] == [
        "ABC", "CBA", "BCA", "ACB", "CAB", "BAC",
    ]  # fmt: skip


@given(st.integers(2, 7))
def test_the_order_is_balanced(count):
    order = balanced(names(count), 2 * count)
    places = Counter((name, place) for r in order for place, name in enumerate(r))
    assert set(places.values()) == {2}
    for a, b in combinations(names(count), 2):
        assert sum(r.index(a) < r.index(b) for r in order) == count
    assert all(r == s[::-1] for r, s in zip(order[::2], order[1::2], strict=True))


def machine(speeds, drift=0.0, noise=0.0):
    """Contenders on one clock, which slows down by `drift` a second."""
    clock = FakeClock()
    rng = np.random.default_rng(3)
    numbers = {name: [] for name in speeds}

    def contender(name, seconds):
        def work(number):
            numbers[name].append(number)
            clock.now += seconds * (1 + drift * clock.now) * float(rng.lognormal(0, noise))

        return work

    work = {name: contender(name, seconds) for name, seconds in speeds.items()}
    return clock, work, numbers


def test_a_planted_ratio_is_found_in_spite_of_drift():
    clock, work, _ = machine({"new": 0.012, "old": 0.015}, drift=0.02)
    rule = StopRule(most_warm_up_seconds=0.2)
    found = interleave(work, WallClock(clock), rounds=40, rule=rule)
    ratio = found.ratio("new", "old")
    assert found.seconds["old"][-1] > 1.015 * found.seconds["old"][0]
    assert ratio.ratio == pytest.approx(0.8, rel=0.003)
    assert ratio.low <= 0.8 <= ratio.high
    assert found.ratio("old", "new").ratio == pytest.approx(1 / ratio.ratio)
    assert ratio.pairs == 40


def test_seconds_are_raw_and_by_round():
    clock, work, _ = machine({"a": 0.02, "b": 0.04, "c": 0.08})
    found = interleave(work, WallClock(clock), rounds=6)
    assert {name: len(values) for name, values in found.seconds.items()} == dict.fromkeys("abc", 6)
    assert found.seconds["b"] == pytest.approx([0.04] * 6)
    assert found.ratio("c", "a").ratio == pytest.approx(4.0)
    assert [len(names) for names in found.order] == [3] * 6
    assert found.spread == pytest.approx(0.0, abs=1e-9)


def test_all_do_the_same_calls_and_the_fastest_takes_10_ms():
    clock, work, numbers = machine({"slow": 0.004, "fast": 0.0005})
    found = interleave(work, WallClock(clock), rounds=15, cycle=3)
    timed = {name: calls[-15 * found.repeats :] for name, calls in numbers.items()}
    assert timed["slow"] == timed["fast"]
    assert timed["slow"] == list(range(timed["slow"][0], timed["slow"][0] + 15 * found.repeats))
    assert found.repeats % 3 == timed["slow"][0] % 3 == 0
    assert min(found.seconds["fast"]) * found.repeats >= 0.010


def test_the_spread_is_that_of_the_machine():
    clock, work, _ = machine({"a": 0.02, "b": 0.03}, noise=0.05)
    found = interleave(work, WallClock(clock), rounds=400)
    assert found.spread == pytest.approx(0.05 * np.sqrt(2), rel=0.15)


def test_one_does_not_hide_its_launches_behind_another():
    """A contender bound by the host costs what it costs, after one that fills the queue."""
    device = FakeDevice(launch_seconds=0.001)

    def heavy(_):
        device.launch(0.100)

    def light(_):
        for _ in range(20):
            device.launch(0.0001)

    watch = EventClock(device.event, device.synchronise)
    found = interleave({"heavy": heavy, "light": light}, watch, rounds=4)
    assert found.seconds["light"] == pytest.approx([0.0201] * 4, rel=0.01)


@pytest.mark.parametrize(("count", "rounds"), [(1, 5), (2, 0)])
def test_mistakes_are_named(count, rounds):
    clock, work, _ = machine(dict.fromkeys(names(count), 0.01))
    with pytest.raises(ValueError, match="two contenders and a round"):
        interleave(work, WallClock(clock), rounds=rounds)
