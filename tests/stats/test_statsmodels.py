"""The classical parts against statsmodels, on random inputs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from bench.stats import compare, holm, two_way
from bench.stats.anova import squares


@settings(
    max_examples=10
)  # statsmodels collects garbage at every call: half a second in a long run
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm(p):
    reference = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), reference, rtol=1e-12, atol=1e-300)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 40))
def test_mcnemar(gained, lost, both):
    a = np.repeat([[1.0, 0.0, 1.0, 0.0]], [gained, lost, both, 1], axis=1)
    b = np.repeat([[0.0, 1.0, 1.0, 0.0]], [gained, lost, both, 1], axis=1)
    reference = mcnemar([[both, gained], [lost, 1]], exact=True).pvalue
    assert compare(a, b).p == pytest.approx(reference)


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_share_of_one_draw_is_clopper_pearson(right, items):
    right = min(right, items)
    hits = np.repeat([[1.0, 0.0]], [right, items - right], axis=1)
    found = two_way(hits, (0.0, 1.0))
    low, high = proportion_confint(right, items, method="beta")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_mean_of_one_draw_has_students_interval(seed):
    values = np.random.default_rng(seed).normal(0.5, 0.2, (1, 40))
    found, reference = two_way(values), DescrStatsW(values[0])
    assert (found.low, found.high) == pytest.approx(reference.tconfint_mean())
    assert found.se == pytest.approx(reference.std_mean)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_mean_squares_are_those_of_a_two_way_anova(draws, items, seed):
    values = np.random.default_rng(seed).normal(size=(draws, items))
    frame = pd.DataFrame(
        [(d, i, values[d, i]) for d in range(draws) for i in range(items)],
        columns=["draw", "item", "value"],
    )
    table = anova_lm(ols("value ~ C(draw) + C(item)", frame).fit())
    mean_sq = table["sum_sq"] / table["df"]
    found = squares(values)
    assert found.draw == pytest.approx(mean_sq["C(draw)"])
    assert found.item == pytest.approx(mean_sq["C(item)"])
    assert found.residual == pytest.approx(mean_sq["Residual"])
