import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats import Components, Covers, compare, holm, pairwise, ranks, two_way

hits = st.tuples(st.integers(1, 3), st.integers(2, 8)).flatmap(
    lambda shape: st.lists(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])),
                           min_size=2, max_size=5)
)  # fmt: skip


def test_several_draws_are_a_two_way_interval_of_the_differences():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 50)) + 0.1, rng.random((4, 50))
    found, of_differences = compare(a, b), two_way(a - b)
    assert (found.low, found.high) == (of_differences.low, of_differences.high)


def test_one_item_is_a_paired_t_test():
    a, b = np.array([[0.3], [0.9], [0.8]]), np.array([[0.1], [0.5], [0.9]])
    reference = stats.ttest_rel(a[:, 0], b[:, 0])
    assert compare(a, b).p == pytest.approx(reference.pvalue)


def test_one_draw_of_other_values_is_a_paired_t_test_over_items():
    rng = np.random.default_rng(2)
    a, b = rng.random((1, 30)), rng.random((1, 30))
    assert compare(a, b).p == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (3, 9), (20, 5), (50, 50)])
def test_one_draw_of_hits_is_mcnemar(gained, lost):
    a = np.repeat([[1.0, 0.0, 1.0]], [gained, lost, 100], axis=1)
    b = np.repeat([[0.0, 1.0, 1.0]], [gained, lost, 100], axis=1)
    found = compare(a, b)
    wanted = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert found.p == pytest.approx(wanted)
    assert found.difference == pytest.approx((gained - lost) / (100 + gained + lost))
    assert found.low < found.difference < found.high
    assert found.covers is Covers.ITEMS


@pytest.mark.parametrize("draws", [1, 3])
def test_no_difference_is_no_difference(draws):
    values = np.random.default_rng(3).random((draws, 40))
    for same in (values, (values > 0.5).astype(float)):
        found = compare(same, same)
        assert (found.difference, found.p) == (0.0, 1.0)
        assert found.low < 0 < found.high


def test_differences_that_are_hits_by_chance_are_no_share():
    better = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    assert compare(better, np.zeros((2, 4))).high > 1


def test_an_equal_difference_everywhere_is_a_sign_test():
    assert compare(np.ones((2, 10)), np.zeros((2, 10))).p == pytest.approx(2 / 2**10)
    few = compare(np.ones((2, 3)), np.zeros((2, 3)))
    assert (few.p, few.low) == (0.25, 0)  # three items cannot show it
    small = compare(np.full((2, 100), 0.01), np.zeros((2, 100)))
    assert small.p == pytest.approx(2 * 0.99**100)
    assert not small.significant


@pytest.mark.parametrize("difference", [1e-4, 0.01, 0.03, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("draws", [2, 3, 5, 10])
@pytest.mark.parametrize(
    ("draw", "item"), [(1e-4, 1e-4), (0, 1e-4), (1e-4, 0), (1e-3, 1e-6), (1e-7, 1e-3)]
)
def test_p_is_the_level_at_which_the_interval_touches_0(draws, draw, item, difference):
    parts = Components(draw=draw, item=item, noise=1e-5, df_draw=draws - 1, df_item=499)
    p = float(parts.p(difference))
    if p > 1e-12:  # below that, 1 - alpha / 2 has too few digits for `half`
        assert float(parts.half(p)) == pytest.approx(difference, rel=1e-4 if p < 1e-6 else 1e-7)
    assert parts.p(-difference) == p


def test_p_of_one_source_of_variance_is_that_of_student():
    t = np.array([0.0, 1e-3, 0.5, 2.0, 4.3, 30.0, 1e4])
    for draws in (2, 3, 10):
        of_draws = Components(draw=1.0, item=0.0, noise=0.0, df_draw=draws - 1, df_item=99)
        np.testing.assert_allclose(of_draws.p(t), 2 * stats.t.sf(t, draws - 1), rtol=1e-7)
    of_items = Components(draw=0.0, item=1.0, noise=0.0, df_draw=0, df_item=99)
    np.testing.assert_allclose(of_items.p(t), 2 * stats.t.sf(t, 99), rtol=1e-9)


reals = st.tuples(st.integers(1, 4), st.integers(1, 8)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-9, 30).map(lambda x: x / 10))
)


@given(reals | hits.map(lambda found: found[0] - found[1]))
def test_a_difference_is_significant_where_0_is_outside_the_interval(differences):
    found = compare(differences + 0.05, np.full_like(differences, 0.05))
    outside = found.low > 0 or found.high < 0
    assert found.significant == outside or found.p == pytest.approx(0.05, rel=1e-6)
    assert compare(differences, -differences).p <= 1


@given(hits.filter(lambda found: found[0].shape[0] > 1))
def test_and_so_are_differences_of_hits(entrants):
    found = compare(entrants[0], entrants[1])
    assert found.significant == (found.low > 0 or found.high < 0)


def test_the_draws_floor_is_the_noise():
    """Draws that agree by chance: the interval is that over test items alone."""
    parts = Components(draw=0.0, item=0.02, noise=0.03, df_draw=2, df_item=99)
    assert parts.variance == 0.05
    assert parts.half() == pytest.approx(stats.t.ppf(0.975, 99) * np.sqrt(0.05))
    assert parts.p(0.5) == pytest.approx(2 * stats.t.sf(0.5 / np.sqrt(0.05), 99))


def test_what_a_design_sees_of_items_alone_is_the_textbook_formula():
    parts = Components(draw=0.0, item=0.01, noise=0.0, df_draw=0, df_item=10_000)
    quantiles = stats.norm.ppf([0.975, 0.8])
    assert parts.sees() == pytest.approx(0.1 * quantiles.sum(), rel=1e-3)


@pytest.mark.parametrize("draws", [2, 3, 5, 10])
def test_what_a_design_sees_of_draws_alone_has_the_power_of_student(draws):
    chi2 = stats.chi2(draws - 1).median() / (draws - 1)
    parts = Components(draw=chi2, item=0.0, noise=0.0, df_draw=draws - 1, df_item=99)
    shift = float(parts.sees())
    power = stats.nct.sf(stats.t.ppf(0.975, draws - 1), draws - 1, shift)
    assert power == pytest.approx(0.8, abs=1e-3)


def test_what_a_design_sees_is_that_of_the_median_pair():
    rng = np.random.default_rng(6)
    a, b = rng.random((3, 400)), rng.random((3, 400))
    size = float(two_way(a - b).parts.sees())
    assert pairwise([a, b]).sees == pytest.approx(size)
    assert pairwise([a, b, b]).sees == pytest.approx(size)  # b and itself say nothing
    assert pairwise([a]).sees is None
    assert pairwise([a, a]).sees is None


def test_160_entrants_are_compared_in_a_moment():
    rng = np.random.default_rng(7)
    entrants = [(rng.random((3, 1000)) < 0.8).astype(float) for _ in range(160)]
    pairwise(entrants[:2])  # the table of quantiles
    start = time.perf_counter()
    assert pairwise(entrants).p.shape == (160, 160)
    assert time.perf_counter() - start < 1  # 0.05 s; the margin is for busy machines


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="share draws and items"):
        compare(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="share draws and test items"):
        pairwise([np.ones((2, 3)), np.ones((3, 3))])


@given(hits)
def test_swapping_turns_the_sign(entrants):
    one, other = compare(entrants[0], entrants[1]), compare(entrants[1], entrants[0])
    assert one.p == pytest.approx(other.p)
    assert (one.difference, one.low) == pytest.approx((-other.difference, -other.high))


@given(hits)
def test_all_pairs_at_once_are_the_pairs_one_by_one(entrants):
    together = pairwise(entrants)
    for i, a in enumerate(entrants):
        for j, b in enumerate(entrants):
            alone = compare(a, b)
            assert together.difference[i, j] == pytest.approx(alone.difference, abs=1e-12)
            assert together.p[i, j] == pytest.approx(alone.p, rel=1e-6)
            assert together.low[i, j] == pytest.approx(alone.low, abs=1e-9)
            assert together.high[i, j] == pytest.approx(alone.high, abs=1e-9)


@pytest.mark.parametrize("draws", [1, 2, 5])
def test_all_pairs_of_real_values_too(draws):
    rng = np.random.default_rng(4)
    entrants = [rng.normal(i / 10, 1, (draws, 200)) for i in range(4)]
    together = pairwise(entrants)
    alone = [[compare(a, b).p for b in entrants] for a in entrants]
    np.testing.assert_allclose(together.p, alone, rtol=1e-8)


def test_holm_by_hand():
    # sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, then never falling
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1.0, 1.0])
    assert len(holm([])) == 0
    for wrong in ([1.2], [np.nan], [[0.1]]):
        with pytest.raises(ValueError, match="p values"):
            holm(wrong)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_holm_does_not_see_order(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    np.testing.assert_allclose(holm(np.array(p)[order]), holm(p)[order])
    assert (holm(p) >= np.array(p)).all()


def ranks_of(entrants):
    return ranks(pairwise(entrants))


def clear(rates, items=2000, draws=3, seed=5):
    """Entrants right on those shares of items, which have difficulties of their own."""
    rng = np.random.default_rng(seed)
    hard = rng.random(items)
    return [
        (0.7 * hard + 0.3 * rng.random((draws, items)) < rate).astype(np.float64) for rate in rates
    ]


def test_clear_differences_are_ranks_and_others_are_ties():
    assert ranks_of(clear([0.9, 0.5, 0.7, 0.9])).tolist() == [1, 4, 3, 1]
    assert ranks_of([]).tolist() == []
    assert ranks_of(clear([0.5])).tolist() == [1]


def test_one_chance_difference_among_many_pairs_is_a_tie():
    flip = np.zeros((1, 100))
    flip[0, :7] = 1  # 7 items gained, none lost: p = 1/64 alone, and 1/64 * 28 among 8 entrants
    assert ranks_of([flip, np.zeros((1, 100))]).tolist() == [1, 2]
    assert ranks_of([flip] + [np.zeros((1, 100))] * 7).tolist() == [1] * 8


@given(st.permutations(range(6)))
def test_ranks_follow_their_entrants(order):
    entrants = clear([0.9, 0.5, 0.7, 0.72, 0.88, 0.5], items=300)
    found = ranks_of(entrants)
    assert ranks_of([entrants[i] for i in order]).tolist() == found[list(order)].tolist()


@given(hits)
def test_a_copy_ties(entrants):
    found = ranks_of([*entrants, entrants[0].copy()])
    assert found[0] == found[-1]
    assert found.min() == 1


def test_equals_are_not_ordered():
    """Nobody of ten alike is ranked below another in 95 % of tables: 400 tables, three draws."""
    rng = np.random.default_rng(3)
    ordered = 0
    for _ in range(400):
        hard = rng.normal(0, 0.3, 300)
        entrants = [
            0.7 + hard + rng.normal(0, 0.02, (3, 1)) + rng.normal(0, 0.3, (3, 300))
            for _ in range(10)
        ]
        ordered += ranks_of(entrants).max() > 1
    assert ordered <= 28  # 20 and 1.8 standard deviations of a binomial


def test_a_rank_counts_those_shown_better():
    found = ranks_of(clear([0.95, 0.95, 0.7, 0.7, 0.4], items=1500, draws=5))
    assert found.tolist() == [1, 1, 3, 3, 5]
