"""Hand-computed cases, properties, and scipy and bencheval as references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from bench.stats import FEWEST, across, elo, pairwise, rated
from bench.stats.across import RESAMPLES, expanded, over_tasks, resamples, wins

shapes = st.tuples(st.integers(1, 6), st.integers(1, 7))
tenths = st.integers(0, 10).map(lambda n: n / 10)
metrics = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=tenths))


def at_once(x):
    return x.T[:, :, None] > x.T[:, None, :]


def test_a_case_by_hand():
    found = across([[0.9, 0.8], [0.8, 0.8], [0.6, 0.9]], bounds=(0, 1))
    assert found.mean.value == pytest.approx([0.85, 0.8, 0.75])
    assert found.rank.value == pytest.approx([1.75, 2.25, 2.0])  # task 2: 2.5, 2.5, 1
    assert found.win_rate.value == pytest.approx([(1 + 0.25) / 2, (0.5 + 0.25) / 2, 0.5])
    # errors: .1 .2 .4 and .2 .2 .1; the best .1 and .1
    wanted = [(0 + 0.5) / 2, (0.5 + 0.5) / 2, (0.75 + 0) / 2]
    assert found.improvability.value == pytest.approx(wanted)


def test_what_is_not_shown_is_a_tie():
    better = np.zeros((2, 2, 2), dtype=bool)
    better[0, 0, 1] = True
    found = across([[0.9, 0.7], [0.8, 0.8]], better=better)
    assert found.win_rate.value == pytest.approx([0.75, 0.25])
    assert found.rank.value == pytest.approx([1.25, 1.75])


def test_pairs_say_what_is_better():
    rng = np.random.default_rng(0)
    hits = [(rng.random((3, 400)) < share).astype(float) for share in (0.9, 0.88, 0.5)]
    found = pairwise(hits).better()
    assert found.tolist() == [[False, False, True], [False, False, True], [False] * 3]


def test_ranks_that_are_given_count():
    found = across([[0.9, 0.7], [0.8, 0.8]], ranks=[[1, 1], [1, 2]])
    assert found.rank.value.tolist() == [1.0, 1.5]


def test_one_entrant_has_nobody_to_win_against():
    found = across(np.full((1, 6), 0.5))
    assert found.win_rate is None
    assert found.improvability.value == [0.0]


@given(metrics)
def test_ranks_are_those_of_scipy_and_wins_add_up(x):
    found = across(x)
    entrants = len(x)
    assert found.rank.value == pytest.approx(rankdata(-x, axis=0).mean(axis=1))
    if found.win_rate is not None:
        rate = found.win_rate.value
        assert rate.sum() == pytest.approx(entrants / 2)
        assert found.rank.value == pytest.approx(1 + (entrants - 1) * (1 - rate))
    of_pairs = wins(at_once(x), x.shape[1], entrants)
    assert (of_pairs + of_pairs.transpose(0, 2, 1) == 1).all()
    assert (found.improvability.value >= 0).all()
    assert (found.improvability.value <= 1).all()


@given(metrics, st.randoms(use_true_random=False))
def test_the_order_of_entrants_changes_nothing(x, random):
    order = random.sample(range(len(x)), len(x))
    first, second = across(x, bounds=(0, 1)), across(x[order], bounds=(0, 1))
    for name in ("mean", "rank", "win_rate", "improvability"):
        one, other = getattr(first, name), getattr(second, name)
        if one is None:
            continue
        assert other.value == pytest.approx(one.value[order])
        if one.low is not None:
            assert other.low == pytest.approx(one.low[order])
            assert other.high == pytest.approx(one.high[order])


@given(metrics)
def test_an_interval_holds_its_mean_within_bounds_and_has_a_width(x):
    found = across(x, bounds=(0, 1))
    assert found.tasks == x.shape[1]
    for spread in (found.mean, found.improvability):
        if x.shape[1] < FEWEST:
            assert spread.low is spread.high is None
            continue
        assert (spread.low >= 0).all()
        assert (spread.high <= 1).all()
        assert (spread.low <= spread.value).all()
        assert (spread.value <= spread.high).all()
        assert (spread.low < spread.high).all()


def test_the_same_seed_gives_the_same_interval():
    x = np.random.default_rng(0).random((3, 9))
    assert (across(x).mean.low == across(x).mean.low).all()
    assert (across(x, seed=1).mean.low != across(x).mean.low).any()


def test_holes_are_refused_by_name():
    x = [[0.9, np.nan], [np.nan, 0.8]]
    with pytest.raises(ValueError, match="2 of 4 cells are missing: probe on news, knn on mail;"):
        across(x, entrants=["probe", "knn"], tasks=["mail", "news"])
    with pytest.raises(ValueError, match=r"entrant 0 on task 0.*and 15 more"):
        across(np.full((4, 5), np.nan))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [0.5]}, "entrants, tasks"),
        ({"values": np.zeros((0, 2))}, "not empty"),
        ({"values": [[1.5], [0.5]]}, "1 at most"),
        ({"values": [[0.5], [0.4]], "better": np.ones((1, 2, 2))}, "each is better"),
        ({"values": [[0.5], [0.4]], "better": np.ones((2, 2))}, "must be"),
        ({"values": [[0.5], [0.4]], "ranks": [[1, 2]]}, "ranks must be"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        across(**arguments)


@pytest.mark.parametrize(("tasks", "least"), [(5, 88), (15, 92)])
@pytest.mark.parametrize("kind", ["normal", "skewed", "ranks"])
def test_intervals_cover_another_draw_of_tasks(tasks, least, kind):
    """Rows are replicates of a study; the page of docs/adr/0007-across-tasks.md has the table."""
    rng = np.random.default_rng(1)
    shape = (1_500, tasks)
    x, true = {
        "normal": (rng.normal(0.8, 0.1, shape), 0.8),
        "skewed": (rng.beta(1, 4, shape), 0.2),
        "ranks": (rng.integers(1, 11, shape).astype(float), 5.5),
    }[kind]
    found = over_tasks(x)
    coverage = 100 * ((found.low <= true) & (true <= found.high)).mean()
    assert least <= coverage <= 97
    plain = np.quantile(resamples(tasks, RESAMPLES, 0) @ x.T / tasks, [0.025, 0.975], axis=0)
    assert 100 * ((plain[0] <= true) & (true <= plain[1])).mean() < coverage


def test_expanded_quantiles_of_a_normal_are_student_t():
    """mean ± t s / root of T: the bootstrap's own standard deviation is short by T - 1 of T."""
    draws = np.random.default_rng(0).normal(0, np.sqrt(9 / 10), (400_000, 1))
    low, high = expanded(draws, 10)
    assert high == pytest.approx(2.262, abs=0.03)
    assert low == pytest.approx(-2.262, abs=0.03)


def errors(x):
    pandas = pytest.importorskip("pandas")
    rows = [
        {"method": f"m{i}", "task": f"t{j}", "metric_error": 1 - value}
        for i, of in enumerate(x)
        for j, value in enumerate(of)
    ]
    return pandas.DataFrame(rows)


@pytest.fixture(scope="module")
def evaluator():
    reference = pytest.importorskip("bencheval.evaluator", reason="not for Python 3.14")
    return reference.BenchmarkEvaluator(columns_to_agg_extra=None)


@pytest.mark.parametrize("seed", range(4))
def test_bencheval_says_the_same(evaluator, seed):
    rng = np.random.default_rng(seed)
    x = np.round(rng.beta(5, 2, (7, 9)) + np.linspace(-0.2, 0.0, 7)[:, None], 1)  # with ties
    found = across(x)
    once = {"round_decimals": None, "include_quantiles": False}
    board = evaluator.leaderboard(errors(x), elo_kwargs=once).loc[[f"m{i}" for i in range(7)]]
    assert found.win_rate.value == pytest.approx(board["winrate"].to_numpy())
    assert found.rank.value == pytest.approx(board["rank"].to_numpy())
    assert found.improvability.value == pytest.approx(board["improvability"].to_numpy())
    assert elo(at_once(x)).value == pytest.approx(board["elo"].to_numpy(), abs=0.01)


def test_ratings_exist_where_no_part_always_wins():
    chain = np.array([[[0, 1, 1], [0, 0, 1], [0, 0, 0]]] * 3, dtype=bool)
    assert not rated(chain)
    upset = chain.copy()
    upset[0] = chain[0].T  # the last beats all, once
    assert rated(upset)
    apart = chain.copy()
    apart[:, 1, 2] = False  # the first always wins, the rest tie
    assert not rated(apart)
    tied = chain.copy()
    tied[0, 0, 1] = tied[1, 1, 2] = False  # a tie is half a win for both
    assert rated(tied)


def test_expanded_intervals_of_elo_are_wider_than_benchevals_plain_ones(evaluator):
    x = np.random.default_rng(0).random((4, 20)) + np.linspace(0, 0.3, 4)[:, None] - 0.3
    per_task = evaluator.compute_results_per_task(errors(x))
    plain = evaluator.compute_elo(per_task, BOOTSTRAP_ROUNDS=200).loc[[f"m{i}" for i in range(4)]]
    found = elo(at_once(x))
    ratio = (found.high - found.low) / (plain["elo+"] + plain["elo-"]).to_numpy()
    assert (ratio > 1.0).all()  # 1.10 is what t over the normal and T over T - 1 give
    assert (ratio < 1.3).all()


def test_bencheval_says_the_same_where_one_wins_always(evaluator):
    x = np.array([[0.9, 0.9, 0.9], [0.5, 0.6, 0.7], [0.6, 0.5, 0.6]])
    wanted = evaluator.compute_elo(
        evaluator.compute_results_per_task(errors(x)), include_quantiles=False, round_decimals=None
    )
    found = elo(at_once(x)).value
    assert found == pytest.approx(wanted.loc[["m0", "m1", "m2"], "elo"].to_numpy(), abs=1)
    assert found[0] > 2_000


def test_elo_of_two_is_the_odds():
    better = np.zeros((4, 2, 2), dtype=bool)
    better[:3, 0, 1] = True
    better[3, 1, 0] = True
    found = elo(better)
    assert found.low is None
    assert found.value[0] - found.value[1] == pytest.approx(400 * np.log10(3), abs=1e-3)
    assert found.value.mean() == pytest.approx(1000)


@given(metrics.filter(lambda x: len(x) > 1))
def test_elo_has_the_order_of_the_win_rates(x):
    rating, rate = elo(at_once(x), count=20).value, across(x).win_rate.value
    gap = np.subtract.outer(rate, rate)
    assert (np.subtract.outer(rating, rating)[gap > 1e-9] > 0).all()
    assert np.subtract.outer(rating, rating)[abs(gap) < 1e-9] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shape", [(0, 2, 2), (3, 1, 1), (2, 2), (2, 2, 3)])
def test_elo_needs_two_and_a_task(shape):
    with pytest.raises(ValueError, match=r"must be|needs"):
        elo(np.zeros(shape, dtype=bool))
