import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from bench.stats import Components, Covers, Estimate, combine, two_way
from bench.stats.anova import squares
from bench.stats.intervals import components

SHARE = (0.0, 1.0)
reals = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(2, 6)),
    elements=st.floats(-10, 10).map(lambda x: round(x, 3)),
)


def crossed(rng, draws, items, sd_draw, sd_item, sd_rest):
    """Values of mean 0 with an effect of each draw, one of each item, and the rest."""
    return (
        sd_draw * rng.standard_normal((draws, 1))
        + sd_item * rng.standard_normal((1, items))
        + sd_rest * rng.standard_normal((draws, items))
    )


def test_mean_squares_by_hand():
    # row means 2 and 4, column means 2, 3, 4, grand mean 3; the rest is 0
    parts = squares(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))
    assert (parts.draw, parts.item, parts.residual) == (6.0, 2.0, 0.0)
    assert components(parts).variance == pytest.approx((6 + 2) / 6)
    assert parts.sd_draw == pytest.approx(np.sqrt(6 / 3))
    assert parts.sd_item == pytest.approx(np.sqrt(2 / 2))


def test_the_variance_is_never_below_a_single_way():
    parts = squares(np.array([[1.0, -1.0], [-1.0, 1.0]]))  # no effects at all, only the rest
    assert components(parts).variance == pytest.approx(parts.residual / 4)


def test_each_source_of_variance_has_its_own_quantile():
    values = crossed(np.random.default_rng(3), 3, 40, 0.3, 0.5, 0.2)
    of, count = squares(values), 3 * 40
    of_draw, of_item = stats.t.ppf(0.975, 2) ** 2, stats.t.ppf(0.975, 39) ** 2
    half = np.sqrt(of_draw * of.draw / count + of_item * (of.item - of.residual) / count)
    found = two_way(values)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))
    assert found.se == pytest.approx(np.sqrt((of.draw + of.item - of.residual) / count))


def test_one_item_is_a_t_test_over_draws():
    values = np.array([[0.2], [0.5], [0.9], [0.4]])
    found = two_way(values)
    low, high = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.parts.df_draw == 3


def test_one_draw_is_a_t_test_over_items():
    values = np.array([[0.2, 0.5, 0.9, 0.4]])
    found = two_way(values)
    low, high = stats.ttest_1samp(values[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.covers is Covers.ITEMS
    assert found.sd_draw is None


@pytest.mark.parametrize(("hits", "items"), [(0, 10), (3, 10), (10, 10), (999, 1000)])
def test_one_draw_of_hits_is_exact(hits, items):
    values = np.repeat([[1.0, 0.0]], [hits, items - hits], axis=1)
    found = two_way(values, SHARE)
    exact = stats.binomtest(hits, items).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_a_perfect_score_has_a_width():
    found = two_way(np.ones((3, 1000)), SHARE)
    assert (found.mean, found.high) == (1.0, 1.0)
    assert 1 - 4 / 1000 < found.low < 1 - 3 / 1000  # the rule of three, two-sided
    nearly = np.ones((3, 1000))
    nearly[0, 0] = 0
    assert two_way(nearly, SHARE).low <= found.low


def test_a_metric_of_equal_values_has_a_width_of_its_scale():
    kappa = two_way(np.ones((1, 100)), (-1.0, 1.0))
    assert kappa.low == pytest.approx(1 - 2 * (1 - 0.025**0.01))


def test_a_single_value_says_almost_nothing():
    found = two_way([[1.0]], SHARE)
    assert found.low < 0.05


def test_it_is_clipped_only_where_the_metric_ends():
    values = np.array([[1.0, 1.0, 0.9], [0.7, 1.0, 1.0]])
    assert two_way(values).high > 1
    assert two_way(values, SHARE).high == 1


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0], [1.0]], [1.0, 2.0], [[]], [[np.nan, 1.0]], [[np.inf, 1.0]]]
)
def test_ragged_empty_or_not_finite_is_refused(values):
    with pytest.raises(ValueError, match=r"draw|NaN"):
        two_way(values)


@given(reals, st.integers(-50, 50))
def test_a_constant_moves_the_interval(values, constant):
    before, after = two_way(values), two_way(values + constant)
    assert after.mean == pytest.approx(before.mean + constant, abs=1e-9)
    assert after.high - after.low == pytest.approx(before.high - before.low, abs=1e-6)


@given(reals, st.randoms(use_true_random=False))
def test_order_of_draws_and_items_does_not_matter(values, random):
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    before, after = two_way(values), two_way(values[rows][:, columns])
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=1e-9)


@given(reals)
def test_the_mean_is_inside_and_no_interval_is_a_point(values):
    found = two_way(values)
    assert found.low < found.mean < found.high


def test_a_nested_bootstrap_would_not_cover():
    """Why it is not used: draws, and items within each, resampled as if they were nested."""
    rng = np.random.default_rng(21)
    repeats, samples, items = 300, 300, 60
    covered = 0
    for _ in range(repeats):
        values = crossed(rng, 3, items, 0.1, 0.5, 0.3)
        chosen = rng.integers(0, 3, (samples, 3))
        picks = rng.integers(0, items, (samples, 3, items))
        means = values[chosen[..., None], picks].mean(axis=(1, 2))
        low, high = np.quantile(means, [0.025, 0.975])
        covered += low <= 0 <= high
    assert covered / repeats < 0.90


def estimate(mean, draw, item=0.0, draws=3):
    parts = Components(draw=draw, item=item, noise=0.0, df_draw=draws - 1.0, df_item=99.0)
    return Estimate(
        mean=mean, low=0, high=0, parts=parts, draws=draws, items=100,
        sd_draw=None, sd_item=0.0, covers=Covers.BOTH,
    )  # fmt: skip


def test_tasks_combine_with_fixed_tasks():
    found = combine([estimate(0.8, 0.03**2, 0.02**2), estimate(0.6, 0.03**2, 0.02**2)])
    assert found.mean == pytest.approx(0.7)
    assert found.se == pytest.approx(np.hypot(0.03, 0.02) / np.sqrt(2))
    assert found.parts.df_draw == pytest.approx(4)  # Satterthwaite: equal ones add their freedom
    assert found.parts.df_item == pytest.approx(198)
    of_draw, of_item = stats.t.ppf(0.975, [4, 198]) * [0.03, 0.02] / np.sqrt(2)
    assert found.high - found.mean == pytest.approx(np.hypot(of_draw, of_item))
    assert found.covers is Covers.TASKS_FIXED
    assert combine([estimate(0.5, 0, 0.1, draws=1)]).covers is Covers.ITEMS_TASKS_FIXED


def test_perfect_scores_combine_to_an_interval_with_a_width():
    one, three = two_way(np.ones((1, 500)), SHARE), two_way(np.ones((3, 500)), SHARE)
    found = combine([one, three])
    assert 0.99 < found.low < found.mean == 1


def test_one_task_combines_to_itself():
    values = np.random.default_rng(0).random((3, 20))
    one = two_way(values)
    found = combine([one])
    assert (found.low, found.high) == pytest.approx((one.low, one.high))


def test_nothing_combines_to_an_error():
    with pytest.raises(ValueError, match="no estimates"):
        combine([])


def test_a_metric_without_a_smallest_value_keeps_its_lower_end():
    rng = np.random.default_rng(0)
    below = two_way(1 - rng.poisson(2.0, size=(2, 300)).astype(float), (-np.inf, 1.0))
    assert below.low < -1.5 < below.mean < below.high
    hits = rng.integers(2, size=(1, 50)).astype(float)
    assert two_way(hits, (-np.inf, 1.0)) == two_way(hits, SHARE)
    assert two_way(np.ones((1, 50)), (-np.inf, 1.0)).low == pytest.approx(0.025**0.02)


def test_a_mean_over_tasks_is_clipped_where_their_metric_ends():
    high = [two_way(np.array([[1.0] * 99 + [0.0]]), SHARE) for _ in range(2)]
    assert combine(high).high > 1
    assert combine(high, SHARE).high == 1
