import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats import Covers, compare, holm, pairwise, tie_groups, two_way

hits = st.tuples(st.integers(1, 3), st.integers(2, 8)).flatmap(
    lambda shape: st.lists(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1.0])),
                           min_size=2, max_size=5)
)  # fmt: skip


def test_several_draws_are_a_two_way_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.random((4, 50)) + 0.1, rng.random((4, 50))
    found, of_differences = compare(a, b), two_way(a - b)
    assert (found.low, found.high) == (of_differences.low, of_differences.high)
    assert found.p == pytest.approx(2 * stats.t.sf(found.difference / of_differences.se, 3))
    assert found.significant == (found.low > 0)


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


def clear(rates, items=2000, draws=3, seed=5):
    """Entrants right on those shares of items, which have difficulties of their own."""
    rng = np.random.default_rng(seed)
    hard = rng.random(items)
    return [
        (0.7 * hard + 0.3 * rng.random((draws, items)) < rate).astype(np.float64) for rate in rates
    ]


def test_clear_differences_are_ranks_and_others_are_ties():
    assert tie_groups(clear([0.9, 0.5, 0.7, 0.9])).tolist() == [1, 4, 3, 1]
    assert tie_groups([]).tolist() == []
    assert tie_groups(clear([0.5])).tolist() == [1]


def test_one_chance_difference_among_many_pairs_is_a_tie():
    flip = np.zeros((1, 100))
    flip[0, :7] = 1  # 7 items gained, none lost: p = 1/64 alone, and 1/64 * 28 among 8 entrants
    assert tie_groups([flip, np.zeros((1, 100))]).tolist() == [1, 2]
    assert tie_groups([flip] + [np.zeros((1, 100))] * 7).tolist() == [1] * 8


@given(st.permutations(range(6)))
def test_ranks_follow_their_entrants(order):
    entrants = clear([0.9, 0.5, 0.7, 0.72, 0.88, 0.5], items=300)
    ranks = tie_groups(entrants)
    assert tie_groups([entrants[i] for i in order]).tolist() == ranks[list(order)].tolist()


@given(hits)
def test_a_copy_ties(entrants):
    ranks = tie_groups([*entrants, entrants[0].copy()])
    assert ranks[0] == ranks[-1]
    assert ranks.min() == 1
