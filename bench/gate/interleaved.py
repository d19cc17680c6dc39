"""The verdict on speed from interleaved runs of two checkouts: a pure function of seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.core.errors import UserError
from bench.gate.verdict import Verdict
from bench.stats.ratios import paired_ratio, spread_alike

LEAST_PAIRS = 15


class Checkout(StrEnum):
    """Which code ran."""

    BASE = "base"
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Run:
    """One process: the median of its repetitions."""

    checkout: Checkout
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Head over base: above 1 the head is slower. `low` and `high` are a 95 % interval.

    `spread` is the robust standard deviation of the log ratio of neighbouring runs of the
    *same* checkout: what this machine makes of no change at all.
    """

    verdict: Verdict
    ratio: float
    low: float
    high: float
    spread: float
    margin: float
    runs: tuple[Run, ...]


def order(pairs: int) -> list[Checkout]:
    """A B, B A, A B, ...: each pair side by side, and drift goes both ways."""
    ab = [Checkout.BASE, Checkout.HEAD]
    return [side for i in range(pairs) for side in (ab if i % 2 == 0 else ab[::-1])]


def series(measure: Callable[[Checkout], float], pairs: int) -> list[Run]:
    """Run both checkouts in turn.

    Raises:
        UserError: if there are fewer than 15 pairs.
    """
    if pairs < LEAST_PAIRS:
        raise UserError(f"interleaved runs need at least {LEAST_PAIRS} pairs, not {pairs}")
    return [Run(side, measure(side)) for side in order(pairs)]


def decide(runs: Sequence[Run], margin: float) -> Timing:
    """Judge runs in the order of `order`.

    Undecided where the spread between runs of the same code is above half the margin,
    whatever the ratio; a regression where the whole bootstrap interval of the median
    paired log ratio is worse than the margin; else a pass (better where the whole
    interval is an improvement by more than the margin).

    Raises:
        ValueError: if the runs are not whole pairs of the two.
    """
    found = list(zip(runs[::2], runs[1::2], strict=True))
    if any({a.checkout, b.checkout} != set(Checkout) for a, b in found) or not found:
        raise ValueError("runs must be pairs of base and head")
    sides = [{run.checkout: run.seconds for run in pair} for pair in found]
    ratio = paired_ratio([s[Checkout.HEAD] for s in sides], [s[Checkout.BASE] for s in sides])
    spread = spread_alike([run.checkout for run in runs], [run.seconds for run in runs])
    limit = 1 + margin
    if spread > margin / 2:
        verdict = Verdict.UNDECIDED
    elif ratio.low > limit:
        verdict = Verdict.REGRESSION
    else:
        verdict = Verdict.BETTER if ratio.high < 1 / limit else Verdict.PASS
    return Timing(
        verdict=verdict,
        ratio=ratio.ratio,
        low=ratio.low,
        high=ratio.high,
        spread=spread,
        margin=margin,
        runs=tuple(runs),
    )


def twice(measure: Callable[[Checkout], float], pairs: int, margin: float) -> tuple[Timing, bool]:
    """Measure and judge; what is undecided is measured once more. Second: whether it was.

    Raises:
        UserError: if there are fewer than 15 pairs, or the margin is not above 0.
    """
    if not margin > 0:
        raise UserError(f"a speed margin is above 0 (0.05 is 5 %): {margin}")
    first = decide(series(measure, pairs), margin)
    if first.verdict is not Verdict.UNDECIDED:
        return first, False
    return decide(series(measure, pairs), margin), True
