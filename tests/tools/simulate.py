"""`make simulate`: what the statistics do on data whose truth is known, as docs/simulations.md.

Everything is seeded: the same code writes the same page.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bench.stats import compare, pairwise, ranks, two_way
from tests.gate.planted import DISCORDANCE, rates
from tests.gate.test_interleaved import simulate
from tests.stats.long_tail import METRICS, NEWS, covered
from tests.stats.test_coverage import gaussian, logistic, power

PAGE = Path(__file__).parents[2] / "docs" / "simulations.md"
DRAWS = (2, 3, 5, 10)
EFFECTS = {"none": 0.0, "small": 0.005, "moderate": 0.02, "large": 0.05}
ITEMS = {"items dominate": (0.3, 0.3), "between": (0.05, 0.4), "draws and noise": (0.02, 0.4)}
LOGITS = {"none": 0.0, "moderate": 0.1, "large": 0.3}
TABLES, PAIRS, GATES, TAILS = 50_000, 1_500, 1_000, 300
SIZES = {
    "52, of 1 to 1,083 items": NEWS,
    "52, of 1 to 217 items": tuple(max(size // 5, 1) for size in NEWS),
    "8, of 10 to 1,083 items": (1083, 696, 121, 87, 81, 75, 36, 10),
    "10 of 20 items": (20,) * 10,
}


def main() -> None:
    text = "\n\n".join(["# Simulations", HEAD, *coverage(), *alarms(), *powers(), *gate()])
    PAGE.write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")


HEAD = (
    "Written by `make simulate`; every number is seeded. What each interval is, and what else was\n"
    "weighed, is in [ADR 3](adr/0003-intervals.md) and [ADR 6](adr/0006-gate.md)."
)


def coverage() -> Iterable[str]:
    yield "## Coverage of nominal 95 % intervals"
    yield prose(
        f"Means of Gaussian tables (draws x 500 items, {TABLES:,} each), by the standard "
        "deviation that the draw adds: none, 0.5, 2 and 5 points. Items: standard "
        "deviations of items and rest of .3/.3, .05/.4, .02/.4. In %."
    )
    rows = []
    for effect, sd_draw in EFFECTS.items():
        for kind, sds in ITEMS.items():
            found = []
            for draws in DRAWS:
                means, parts = gaussian(draws, sd_draw, *sds, TABLES, ("page",))
                found.append(100 * np.mean(np.abs(means) <= parts.half()))
            rows.append([effect, kind, *(f"{x:.1f}" for x in found)])
    yield table(["draw effect", "items", *(f"{d} draws" for d in DRAWS)], rows)
    yield prose(
        f"Shares of right answers and their paired differences ({PAIRS:,} pairs of tables "
        "of 0/1 values each, 500 items, logits of items with a standard deviation of 1.5, "
        "half of one for each entrant's own). In %: the share / the difference."
    )
    rows = []
    for effect, sd_draw in LOGITS.items():
        found = []
        for draws in DRAWS:
            hit = np.zeros(2)
            for one, other, truth in logistic(draws, (1.0, sd_draw, 1.5, 0.5), PAIRS):
                share, pair = two_way(one, (0.0, 1.0)), compare(one, other)
                hit += (
                    share.low <= truth[0] <= share.high,
                    pair.low <= truth[0] - truth[1] <= pair.high,
                )
            found.append(" / ".join(f"{x:.1f}" for x in 100 * hit / PAIRS))
        rows.append([effect, *found])
    yield table(["draw effect", *(f"{d} draws" for d in DRAWS)], rows)
    yield prose(
        "Macro F1 and balanced accuracy of test items whose classes are of very different sizes, "
        f"of known confusions ({TAILS} pairs of classifiers each, five settings of one draw, two "
        "of three). In %: coverage / two classifiers of one truth told apart at 5 %."
    )
    rows = []
    for name, sizes in SIZES.items():
        for metric in METRICS:
            shown = []
            for draws, seeds in ((1, 5), (3, 2)):
                found = [covered(metric, sizes, TAILS, seed, draws=draws) for seed in range(seeds)]
                shown.append(" / ".join(f"{100 * x:.1f}" for x in np.mean(found, axis=0)))
            rows.append([name, metric, *shown])
    yield table(["classes", "metric", "one draw", "three draws"], rows)


def alarms() -> Iterable[str]:
    yield "## False alarms where nothing differs"
    yield prose(
        f"Entrants of equal truth ({PAIRS:,} problems of two, a third as many of ten; 500 "
        "items, moderate draw effects, none with one draw, whose tests are of test items "
        "alone); nominal 5 %. One pair: p of the paired comparison (one draw: McNemar's "
        "exact test). Ten: anybody is ranked below anybody (any of the 45 pairs after "
        "Holm); a given one of the ten is left out of rank 1. In %."
    )
    rows = []
    for draws in (1, *DRAWS):
        rng = np.random.default_rng([draws, 11])
        pair = [compare(*equals(rng, draws, 2)).p < 0.05 for _ in range(PAIRS)]
        given, anybody = [], []
        for _ in range(PAIRS // 3):
            left_out = ranks(pairwise(equals(rng, draws, 10))) > 1
            given.append(left_out.mean())  # the ten are alike: each stands for a given one
            anybody.append(bool(left_out.any()))
        shares = (np.mean(x) for x in (pair, anybody, given))
        rows.append([str(draws), *(f"{100 * x:.1f}" for x in shares)])
    heads = ["draws", "one pair", "ten, any rank", "ten, given one out"]
    yield table(heads, rows)


def equals(rng: np.random.Generator, draws: int, entrants: int) -> list[np.ndarray]:
    """0/1 tables of entrants with one truth and their own items."""
    shared = 1.5 * rng.standard_normal(500)
    moved = 0.1 if draws > 1 else 0.0
    found = []
    for _ in range(entrants):
        own = 0.5 * rng.standard_normal(500) + moved * rng.standard_normal((draws, 1))
        right = 1 / (1 + np.exp(-(1.0 + shared + own)))
        found.append((rng.random((draws, 500)) < right).astype(float))
    return found


def powers() -> Iterable[str]:
    yield "## Power as printed"
    yield prose(
        "How often a difference is shown that is as large as the median table says it "
        f"*sees at 80 %*, least and most of the settings of the first table ({TABLES:,} "
        "tables each). In %."
    )
    found = []
    for draws in DRAWS:
        shown = [
            power(draws, (e, *sds), TABLES) for e in EFFECTS.values() for sds in ITEMS.values()
        ]
        found.append(f"{100 * min(shown):.1f} to {100 * max(shown):.1f}")
    yield table([f"{d} draws" for d in DRAWS], [found])


def gate() -> Iterable[str]:
    yield "## The gate on planted cases"
    yield prose(
        "Stored predictions of results/default (3 draws, 1,000 items), altered at a "
        f"stated discordance, part of it alike in all draws; {GATES:,} comparisons each. "
        "A/A: both sides altered alike; nominal 2.5 %. Caught: a drop of 3 points. Beside "
        "it what the median comparison says that it sees at 80 %."
    )
    rows = []
    for discordance in DISCORDANCE:
        for shared in (0.0, 0.5, 1.0):
            still = rates(GATES, discordance, 0, shared, margin=0.0)
            dropped = rates(GATES, discordance, 0.03, shared)
            caught = np.mean([verdict == "regression" for verdict, _, _ in dropped])
            alarm = np.mean([verdict == "regression" for verdict, _, _ in still])
            sees = 100 * np.median([size for _, size, _ in dropped])
            cells = (f"{discordance:.0%}", f"{shared:.0%}", f"{alarm:.1%}", f"{caught:.1%}")
            rows.append([*cells, f"{sees:.1f} points"])
    yield table(["discordance", "alike", "A/A alarms, margin 0", "3 points caught", "sees"], rows)
    yield prose(
        "Speed: series of 15 interleaved pairs, log-normal noise, margin 5 %, 400 series "
        "each. *Told*: the spread of the same code is below half the margin; else the "
        "answer is undecided."
    )
    rows = []
    for noise in (0.005, 0.015, 0.02, 0.03, 0.05):
        same, slower = simulate(noise, 0.0), simulate(noise, 0.10)
        told = [t for t in slower if t.spread <= 0.025]
        shares = (
            np.mean([t.verdict == "regression" for t in same]),
            np.mean([t.verdict == "regression" for t in told]) if told else np.nan,
            1 - len(told) / len(slower),
        )
        rows.append([f"{noise:.1%}", *(f"{x:.0%}" for x in shares)])
    yield table(["noise", "0 % slower: alarms", "10 % slower: caught of told", "undecided"], rows)


def prose(text: str) -> str:
    return textwrap.fill(text, 105)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
