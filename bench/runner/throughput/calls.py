"""Extraction of one part after another, by the host's clock, and what its calls gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.core.backbone import Backbone
from bench.core.task import Input
from bench.extract import Extracted, TokenCache, extract
from bench.measure import (
    Clock,
    StopRule,
    Stopwatch,
    Timing,
    WallClock,
    device_stopwatch,
    measure,
    wall,
)

RULE = StopRule(most_seconds=6.0, most_warm_up_seconds=2.0)
CEILING_RULE = StopRule(most_seconds=2.0, most_warm_up_seconds=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take, and by which clocks: other ones in tests.

    A part takes about `part_seconds`: long beside a look at the clock, and short enough for ten
    samples and a warm-up of each of three numbers in a minute. A sweep is made unasked where it
    takes at most `sweep_seconds`. `energy_seconds` are a little over what the counter needs.
    """

    rule: StopRule = RULE
    ceiling_rule: StopRule = CEILING_RULE
    side: int | None = None
    copy_bytes: int | None = None
    part_seconds: float = 0.4
    sweep_seconds: float = 45.0
    energy_seconds: float = 6.0
    clock: Clock = wall
    host_watch: Callable[[], Stopwatch] = WallClock
    device_watch: Callable[[str], Stopwatch] = device_stopwatch


PACE = Pace()


@dataclass(frozen=True, slots=True)
class Call:
    """What is kept of one call: no features, which would fill the memory that is measured."""

    stages: dict[str, float]
    units: int
    units_computed: float  # with padding
    batches: int
    halvings: int


@dataclass(slots=True)
class Calls:
    """The calls of one number, the warm-up's too."""

    calls: list[Call] = field(default_factory=list)

    def add(self, found: Extracted) -> None:
        """Keep what is told of one call."""
        units = int(found.lengths.sum())
        computed = units / (1 - found.padding_share)
        self.calls.append(Call(found.stages, units, computed, found.batches, found.halvings))

    def stages(self, before: int, seconds: float) -> dict[str, float]:
        """Median seconds of each stage in the calls after `before`, and what they leave of
        `seconds` as "other"."""
        kept = self.calls[before:]
        names = dict.fromkeys(name for each in kept for name in each.stages)
        stages = {name: median(each.stages.get(name, 0.0) for each in kept) for name in names}
        return {**stages, "other": max(0.0, seconds - sum(stages.values()))}

    @property
    def padding_share(self) -> float:
        """Share of computed units that were padding, 0 to 1."""
        units = sum(each.units for each in self.calls)
        return max(0.0, 1.0 - units / sum(each.units_computed for each in self.calls))

    @property
    def batches(self) -> float:
        """Of a call, on average."""
        return sum(each.batches for each in self.calls) / len(self.calls)

    @property
    def halvings(self) -> int:
        """The most of any call."""
        return max(each.halvings for each in self.calls)


def time_extraction(
    backbone: Backbone,
    parts: Sequence[Sequence[Input]],
    device: str,
    budget: int,
    tokens: TokenCache | None,
    pace: Pace,
) -> tuple[Timing, Calls]:
    """One sample is one part, raw inputs in, features on the host out."""
    calls = Calls()

    def work(number: int) -> None:
        given = parts[number % len(parts)]
        clock = pace.clock
        calls.add(extract(backbone, given, device, clock=clock, budget=budget, tokens=tokens))

    return measure(work, pace.host_watch(), pace.rule), calls
