"""Contenders timed in turn in one process, so that drift and other load meet all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.measure.device_clock import Stopwatch
from bench.measure.timing import RULE, Loop, Stopped, StopRule, Work, warm_up
from bench.stats.ratios import Ratio, paired_ratio, spread_alike

LEAST_ROUNDS = 15
"""Pairs from which a ratio is judged (the gate's least, too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaved:
    """Seconds of one call of each contender, one for each round, and the order they ran in.

    All contenders did the same calls, `repeats` of them in a round.
    """

    seconds: Mapping[str, tuple[float, ...]]
    order: tuple[tuple[str, ...], ...]
    repeats: int
    warm_up_stopped: Mapping[str, Stopped]

    def ratio(self, contender: str, reference: str) -> Ratio:
        """Time of `contender` over that of `reference`, round by round: below 1 it is faster.

        Raises:
            KeyError: if one did not run.
        """
        return paired_ratio(self.seconds[contender], self.seconds[reference])

    @property
    def spread(self) -> float:
        """What the machine makes of no change, from neighbouring runs of one contender.

        A standard deviation of log ratios (`bench.stats.ratios.spread_alike`).
        """
        runs = [(name, turn) for turn, names in enumerate(self.order) for name in names]
        return spread_alike(
            [name for name, _ in runs], [self.seconds[name][turn] for name, turn in runs]
        )


def balanced(names: tuple[str, ...], rounds: int) -> tuple[tuple[str, ...], ...]:
    """Who runs when: A B, B A, A B, ...; of more, A B C, C B A, B C A, A C B, C A B, B A C.

    Each second round is the one before it turned round, and each pair of rounds begins with
    the next contender. In 2k rounds of k contenders each is in each place twice, and before
    each other one as often as after it.

    Raises:
        ValueError: if there are fewer than two contenders or no round.
    """
    if len(names) < 2 or rounds < 1:
        raise ValueError(f"needs two contenders and a round: {names}, {rounds}")
    found = []
    for turn in range(rounds):
        first = turn // 2 % len(names) if len(names) > 2 else 0
        ahead = names[first:] + names[:first]
        found.append(ahead if turn % 2 == 0 else ahead[::-1])
    return tuple(found)


def interleave(
    contenders: Mapping[str, Work],
    watch: Stopwatch,
    *,
    rounds: int = 2 * LEAST_ROUNDS,
    rule: StopRule = RULE,
    cycle: int = 1,
) -> Interleaved:
    """Time contenders in turn.

    Each is warmed up by `rule`. Then all do the same calls, with the same numbers: so many
    that the fastest takes `rule.region_seconds` or more. The watch is read after each
    region: queued behind another contender's work, one's launches would cost nothing.

    Args:
        contenders: work by name; each gets its iteration number, as in `measure`.
        watch: of the device that all run on.
        rounds: how often each runs.
        rule: for the warm-up and the length of a region.
        cycle: calls that go once round the batches.

    Raises:
        ValueError: if there are fewer than two contenders or no round, or the clock stands.
    """
    order = balanced(tuple(contenders), rounds)
    loops = {name: Loop(work, watch, cycle) for name, work in contenders.items()}
    warmed = {name: warm_up(loop, rule) for name, loop in loops.items()}
    repeats = max(found.repeats for found in warmed.values())
    first = max(loop.calls for loop in loops.values())
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn, names in enumerate(order):
        for name in names:
            loops[name].calls = first + turn * repeats
            (region,) = loops[name].series(1, repeats)
            seconds[name].append(region / repeats)
    return Interleaved(
        seconds={name: tuple(values) for name, values in seconds.items()},
        order=order,
        repeats=repeats,
        warm_up_stopped={name: found.stopped for name, found in warmed.items()},
    )
