"""How often the intervals hold the truth: the numbers of docs/adr/0003-intervals.md.

python tests/stats/test_coverage.py         prints its tables (a minute, seed 0)
python -m pytest -m slow tests/stats        holds them against 94.5 %
"""

import sys
import zlib

import numpy as np
import pytest
from scipy.special import expit, stdtrit

from bench.stats import Components, combine, compare, holm, pairwise, two_way
from bench.stats.anova import squares
from bench.stats.intervals import components
from tests.stats.long_tail import METRICS, NEWS, covered

DRAWS = (2, 3, 5, 10)
ITEMS = 500
SD_DRAW = (0.0, 0.005, 0.01, 0.02, 0.05)
SD_ITEM_REST = ((0.3, 0.3), (0.05, 0.4), (0.02, 0.4))
LOGISTIC = [  # mean logit; sd of draws, of items and of items by entrant
    (mean, *sds)
    for mean in (0.0, 2.0, 4.0)
    for sds in ((0.0, 1.5, 0.5), (0.1, 1.5, 0.5), (0.3, 1.5, 0.5), (0.1, 2.0, 0.0), (0.05, 3, 1))
]
FLOOR = 0.945


def seeded(*case):
    return np.random.default_rng(zlib.crc32(repr((0, *case)).encode()))


def slack(repeats):
    """Three standard deviations of a coverage of 95 % that was found in so many tables."""
    return 3 * np.sqrt(0.95 * 0.05 / repeats)


def halves(parts):
    """Half widths of the intervals that were weighed, of one table or of many."""
    draw, item, noise = parts.draw, parts.item, parts.noise
    of_draw, of_item = (stdtrit(df, 0.975) ** 2 for df in (parts.df_draw, parts.df_item))
    found = {
        "chosen": parts.half() ** 2,
        "no floor": of_draw * draw + of_item * item,
        "residual's t": of_draw * np.maximum(draw, noise) + of_item * item,
        "one t": of_draw * parts.variance,
        "Satterthwaite": stdtrit(np.maximum(satterthwaite(parts), 1), 0.975) ** 2 * parts.variance,
        "three parts": of_draw * np.maximum(draw - noise, 0) + of_item * (noise + item),
    }
    return {name: np.sqrt(square) for name, square in found.items()}


def satterthwaite(parts):
    """Degrees of freedom of MS_draw + MS_item - MS_residual (taken where items are not below)."""
    of_item = parts.item + parts.noise
    total = parts.draw + of_item - parts.noise
    return total**2 / (
        parts.draw**2 / parts.df_draw
        + of_item**2 / parts.df_item
        + parts.noise**2 / (parts.df_draw * parts.df_item)
    )


def gaussian(draws, sd_draw, sd_item, sd_rest, repeats, case=()):
    """Means (of truth 0) and mean squares of Gaussian tables, from their own distributions."""
    rng = seeded("gaussian", draws, sd_draw, sd_item, sd_rest, *case)
    expected = (
        ITEMS * sd_draw**2 + sd_rest**2,
        draws * sd_item**2 + sd_rest**2,
        sd_rest**2,
    )
    dfs = (draws - 1, ITEMS - 1, (draws - 1) * (ITEMS - 1))
    count = draws * ITEMS
    of_draw, of_item, rest = (
        square * rng.chisquare(df, repeats) / df / count
        for square, df in zip(expected, dfs, strict=True)
    )
    means = rng.standard_normal(repeats) * np.sqrt(
        (expected[0] + expected[1] - expected[2]) / count
    )
    item = np.maximum(of_item - rest, 0)
    parts = Components(draw=of_draw, item=item, noise=rest, df_draw=dfs[0], df_item=dfs[1])
    return means, parts


def logistic(draws, case, repeats):
    """0/1 tables of two entrants, and their true shares: draws and items add up as logits."""
    mean, sd_draw, sd_item, sd_own = case
    rng = seeded("logistic", draws, *case)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    spread = np.sqrt(sd_draw**2 + sd_item**2 + sd_own**2)
    means = (mean, mean - 0.3)
    truth = [float(weights @ expit(m + spread * nodes) / weights.sum()) for m in means]

    def table(mean, shared):
        item = shared + sd_own * rng.standard_normal(ITEMS)
        logits = mean + item + sd_draw * rng.standard_normal((draws, 1))
        return (rng.random((draws, ITEMS)) < expit(logits)).astype(np.float64)

    for _ in range(repeats):
        shared = sd_item * rng.standard_normal(ITEMS)
        yield table(means[0], shared), table(means[1], shared), truth


@pytest.mark.slow
@pytest.mark.parametrize("draws", DRAWS)
def test_gaussian_tables_are_covered(draws):
    repeats = 20_000
    for sd_draw in SD_DRAW:
        for sd_item, sd_rest in SD_ITEM_REST:
            means, parts = gaussian(draws, sd_draw, sd_item, sd_rest, repeats)
            coverage = np.mean(np.abs(means) <= parts.half())
            assert FLOOR - slack(repeats) <= coverage <= 0.995


def power(draws, case, repeats, usual=False):
    """Probability to show a difference as large as the median table says it sees."""
    means, parts = gaussian(draws, *case, repeats)
    sizes = parts.half() + parts.half(alpha=0.4) if usual else parts.sees()
    return np.mean(means + np.median(sizes) > parts.half())


@pytest.mark.slow
@pytest.mark.parametrize("draws", DRAWS)
def test_what_a_design_sees_it_shows_with_80_percent(draws):
    for sd_draw in SD_DRAW:
        for sds in SD_ITEM_REST:
            assert 0.77 <= power(draws, (sd_draw, *sds), 20_000) <= 0.83


@pytest.mark.slow
@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("case", LOGISTIC)
def test_shares_and_their_paired_differences_are_covered(draws, case):
    repeats, share, pair = 600, 0, 0
    for one, other, (truth, of_other) in logistic(draws, case, repeats):
        found, compared = two_way(one, (0.0, 1.0)), compare(one, other)
        share += found.low <= truth <= found.high
        pair += compared.low <= truth - of_other <= compared.high
    assert min(share, pair) / repeats >= FLOOR - slack(repeats)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 5, 10])
def test_means_over_tasks_are_covered(count):
    errors, found = of_tasks(3, count, 0.02, repeats=1000)
    coverage = np.mean(np.abs(errors) <= found["chosen"])
    assert FLOOR - slack(1000) <= coverage <= 0.995


def of_tasks(draws, count, sd_draw, repeats):
    """Coverage and mean width of `combine`, and of adding up squared half widths instead."""
    rng = seeded("tasks", draws, count, sd_draw)
    errors, chosen, added = np.zeros((3, repeats))
    for i in range(repeats):
        made = [
            two_way(
                sd_draw * rng.standard_normal((draws, 1))
                + 0.1 * rng.standard_normal((1, 100))
                + 0.3 * rng.standard_normal((draws, 100))
            )
            for _ in range(count)
        ]
        found = combine(made)
        errors[i], chosen[i] = found.mean, found.parts.half()
        added[i] = np.sqrt(sum(e.parts.half() ** 2 for e in made)) / count
    return errors, {"chosen": chosen, "squares added": added}


def shown(draws, entrants, repeats=5):
    """Shares of pairs with p below 5 %: alone, after Holm, and after Holm with the best alone."""
    rng, found = seeded("shown", draws, entrants), []
    for _ in range(repeats):
        shared = 1.5 * rng.standard_normal(1000)
        tables = []
        for mean in np.linspace(-0.5, 2.5, entrants):
            logits = mean + shared + 0.7 * rng.standard_normal(1000)
            logits = logits + 0.05 * rng.standard_normal((draws, 1))
            tables.append((rng.random((draws, 1000)) < expit(logits)).astype(np.float64))
        p = pairwise(tables).p
        best = int(np.argmax([table.mean() for table in tables]))
        every = p[np.triu_indices(entrants, k=1)]
        with_best = np.delete(p[best], best)
        found.append([np.mean(q < 0.05) for q in (every, holm(every), holm(with_best))])
    return np.mean(found, axis=0)


def test_paired_differences_of_three_draws_are_covered():
    """The quick one, of every run."""
    repeats, covered = 600, 0
    for one, other, truth in logistic(3, (1.0, 0.1, 1.5, 0.5), repeats):
        found = compare(one, other)
        covered += found.low <= truth[0] - truth[1] <= found.high
    assert covered / repeats >= 0.95 - slack(repeats)


@pytest.mark.parametrize("metric", METRICS)
def test_rare_classes_are_in_the_interval(metric):
    """By the jackknife alone an item that is its class has none: 80 %, and 17 % told apart."""
    holds, apart = covered(metric, NEWS, 200, seed=1)
    assert holds >= 0.90
    assert apart <= 0.12


def report_gaussian():
    """Coverage and mean width of every interval that was weighed."""
    write("Gaussian, 100,000 tables each, N = 500: coverage / width in points")
    for draws in DRAWS:
        for sd_item, sd_rest in SD_ITEM_REST:
            for sd_draw in SD_DRAW:
                means, parts = gaussian(draws, sd_draw, sd_item, sd_rest, 100_000)
                line(f"D={draws} sd {sd_draw} {sd_item} {sd_rest}", means, halves(parts))


def report_logistic():
    write("0/1 and paired differences, 2,000 tables each: coverage / width in points")
    for draws in DRAWS:
        for case in LOGISTIC:
            made = [(one, one - other, truth) for one, other, truth in logistic(draws, case, 2000)]
            for name, which in (("share", 0), ("pair", 1)):
                errors = [m[which].mean() - (m[2][0] - which * m[2][1]) for m in made]
                parts = [components(squares(m[which])) for m in made]
                stacked = Components(
                    draw=np.array([p.draw for p in parts]),
                    item=np.array([p.item for p in parts]),
                    noise=np.array([p.noise for p in parts]),
                    df_draw=parts[0].df_draw,
                    df_item=parts[0].df_item,
                )
                line(f"D={draws} {name} {case}", np.array(errors), halves(stacked))


def report_uses():
    """What comes of it: means over tasks, power, and pairs that Holm leaves."""
    write("Means over tasks, D = 3, 2,000 each: coverage / width in points")
    for count in (1, 2, 5, 10):
        for sd_draw in (0.0, 0.02, 0.05):
            line(f"{count} tasks, sd_draw {sd_draw}", *of_tasks(3, count, sd_draw, 2000))

    write("Power at the difference that a design is said to see, Gaussian, 100,000 tables each")
    for usual in (False, True):
        for draws in DRAWS:
            found = [
                power(draws, (sd_draw, *sds), 100_000, usual)
                for sd_draw in SD_DRAW
                for sds in SD_ITEM_REST
            ]
            name = "(q.975 + q.80) se" if usual else "chosen"
            write(f"D={draws} {name}: {100 * min(found):.1f} to {100 * max(found):.1f} %")
    write("Pairs shown alone, after Holm, after Holm with the best alone; 1,000 items")
    for entrants in (10, 40):
        for draws in (*DRAWS, 20):
            alone, every, with_best = 100 * shown(draws, entrants)
            write(f"{entrants} entrants, D={draws}: {alone:.0f}, {every:.0f}, {with_best:.0f} %")


def line(name, errors, found):
    cells = (
        f"{kind} {100 * np.mean(np.abs(errors) <= half):.1f} / {200 * half.mean():.1f}"
        for kind, half in found.items()
    )
    write(f"{name}: {'  '.join(cells)}")


def write(text):
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    report_gaussian()
    report_logistic()
    report_uses()
