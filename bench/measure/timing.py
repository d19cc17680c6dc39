"""Time work: warm up, repeat it in regions, stop by a rule, keep the raw samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TypeAlias

import numpy as np

from bench.measure.device_clock import Stopwatch
from bench.stats.ratios import median_interval

Work: TypeAlias = Callable[[int], object]
"""One call of the work. Its number is never the same twice: by it real batches are rotated."""

_WINDOW = 3
_WINDOW_SECONDS = 0.1
"""Regions of 10 ms tell no drift between three and three: a GPU's clock ramps up more slowly."""
_MARGIN = 1.2
"""Calls in a region are chosen for so much more than the least time: the next may be faster."""
_GROWTH = 10
_LEAST_TOLD = 1024
"""Calls that any clock tells from none."""
_MOST_CALLS = 2**22
"""An empty Python call takes 30 ns or more: so many take 0.1 s."""


class Stopped(StrEnum):
    """What ended a warm-up or a series of samples."""

    STABLE = "stable"  # the rule was met
    LIMIT = "limit"  # the time that it was given had passed before


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """When to stop. Seconds are those that the stopwatch measures.

    Samples end when there are `least_samples` and `least_seconds` of them and the standard
    error of their mean is at most `relative_error` of it, or when `most_seconds` have
    passed: never with fewer than `least_samples`. One region, the work between two looks at
    the clock, is at least `region_seconds`: CUDA events jitter by 10 to 30 microseconds.

    The warm-up ends when the medians of the last regions and of as many before differ by at
    most `warm_up_error` (three, and as many as take 0.1 s), or when `most_warm_up_seconds`
    have passed. Its first region, where things are compiled and allocated, is in neither.

    Raises:
        ValueError: if a number is not above 0, or there are fewer than 2 samples.
    """

    least_samples: int = 10
    least_seconds: float = 0.5
    relative_error: float = 0.005
    most_seconds: float = 20.0
    region_seconds: float = 0.010
    warm_up_error: float = 0.02
    most_warm_up_seconds: float = 10.0

    def __post_init__(self) -> None:
        limits = (
            self.least_seconds,
            self.relative_error,
            self.most_seconds,
            self.region_seconds,
            self.warm_up_error,
            self.most_warm_up_seconds,
        )
        if self.least_samples < 2 or not all(limit > 0 for limit in limits):
            raise ValueError(f"a stop rule needs 2 samples and numbers above 0: {self}")


RULE = StopRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Something a second; `low` and `high` are the 95 % interval of the median."""

    median: float
    low: float
    high: float
    p5: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of one call of the work.

    `low` and `high` are the bootstrap 95 % interval of the median, `p5` and `p95` quantiles of
    the samples, `relative_error` the standard error of their mean over it.
    """

    samples: tuple[float, ...]  # seconds a call, one a region, in the order of time
    repeats: int  # calls in a region
    median: float
    p5: float
    p95: float
    low: float
    high: float
    relative_error: float
    stopped: Stopped
    warm_up: int  # calls before the first sample
    warm_up_stopped: Stopped

    def rate(self, amount: float) -> Rate:
        """What a second does, where one call does `amount` (items, tokens, FLOPs, bytes)."""
        return Rate(
            median=amount / self.median,
            low=amount / self.high,
            high=amount / self.low,
            p5=amount / self.p95,
            p95=amount / self.p5,
        )


def measure(work: Work, watch: Stopwatch, rule: StopRule = RULE, *, cycle: int = 1) -> Timing:
    """Time `work` with `watch`, reading the watch (and so waiting for a device) once a series.

    Args:
        work: called with 0, 1, 2, ..., the warm-up included.
        watch: `device_stopwatch(device)`, or a `WallClock` for end to end.
        rule: when to stop.
        cycle: calls that go once round the batches. A region is whole rounds, so that
            samples differ by noise alone and not by which batch they had.

    Raises:
        ValueError: if the clock stands, or `cycle` is below 1.
    """
    loop = Loop(work, watch, cycle)
    warmed = warm_up(loop, rule)
    repeats = warmed.repeats
    regions: list[float] = []
    count, spent, before = rule.least_samples, 0.0, loop.calls
    while True:
        fresh = loop.series(count, repeats)
        spent += sum(fresh)
        if min(fresh) < rule.region_seconds:  # it became faster: all anew with more calls
            repeats = loop.more(repeats, min(fresh), rule.region_seconds)
            regions, before = [], loop.calls
            continue
        regions += fresh
        error = _relative_error(regions)
        if sum(regions) >= rule.least_seconds and error <= rule.relative_error:
            stopped = Stopped.STABLE
            break
        if spent >= rule.most_seconds:
            stopped = Stopped.LIMIT
            break
        left = int((rule.most_seconds - spent) / median(regions))
        count = min(max(left, 1), rule.least_samples)
    samples = np.array(regions) / repeats
    p5, middle, p95 = np.quantile(samples, (0.05, 0.5, 0.95))
    low, high = median_interval(samples)
    return Timing(
        samples=tuple(samples.tolist()),
        repeats=repeats,
        median=float(middle),
        p5=float(p5),
        p95=float(p95),
        low=low,
        high=high,
        relative_error=error,
        stopped=stopped,
        warm_up=before,
        warm_up_stopped=warmed.stopped,
    )


class Loop:
    """Runs regions of work, each call with a number of its own."""

    def __init__(self, work: Work, watch: Stopwatch, cycle: int = 1) -> None:
        if cycle < 1:
            raise ValueError(f"a round of batches has at least 1 call, not {cycle}")
        self._work, self._watch = work, watch
        self.cycle = cycle
        self.calls = 0

    def series(self, regions: int, repeats: int) -> list[float]:
        """Seconds of each of `regions` regions of `repeats` calls; the watch is read once."""
        work, watch = self._work, self._watch
        for _ in range(regions):
            numbers = range(self.calls, self.calls + repeats)
            watch.start()
            for number in numbers:
                work(number)
            watch.stop()
            self.calls += repeats
        return watch.read()

    def more(self, repeats: int, seconds: float, least: float) -> int:
        """How many calls, in whole rounds, take `least` seconds if `repeats` took `seconds`.

        Raises:
            ValueError: if a thousand calls take no time, or millions less than `least`.
        """
        if repeats >= (_MOST_CALLS if seconds > 0 else _LEAST_TOLD):
            raise ValueError(f"{repeats} calls took {seconds:g} s: does the clock stand?")
        factor = min(_MARGIN * least / seconds, _GROWTH) if seconds > 0 else _GROWTH
        return max(math.ceil(repeats * factor / self.cycle), repeats // self.cycle + 1) * self.cycle


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How a warm-up ended, and how many calls a region needs."""

    repeats: int
    stopped: Stopped


def warm_up(loop: Loop, rule: StopRule) -> WarmUp:
    """Run regions until they are long enough and their times settle (see `StopRule`).

    Raises:
        ValueError: if the clock stands.
    """
    repeats, spent = loop.cycle, 0.0
    loop.series(1, repeats)
    recent: list[float] = []
    while True:
        (seconds,) = loop.series(1, repeats)
        spent += seconds
        if seconds < rule.region_seconds:
            repeats = loop.more(repeats, seconds, rule.region_seconds)
            recent = []
            continue
        recent.append(seconds)
        if _settled(recent, rule.warm_up_error):
            return WarmUp(repeats, Stopped.STABLE)
        if spent >= rule.most_warm_up_seconds:
            return WarmUp(repeats, Stopped.LIMIT)


def _settled(seconds: list[float], error: float) -> bool:
    window = max(_WINDOW, math.ceil(_WINDOW_SECONDS / seconds[-1]))
    if len(seconds) < 2 * window:
        return False
    before, last = median(seconds[-2 * window : -window]), median(seconds[-window:])
    return abs(last / before - 1) <= error


def _relative_error(samples: list[float]) -> float:
    x = np.array(samples)
    return float(x.std(ddof=1) / np.sqrt(len(x)) / x.mean())
