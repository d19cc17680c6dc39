"""Metrics against scikit-learn, and their per-item values against the jackknife."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from bench.core.errors import UserError
from bench.core.metrics import CLASSIFICATION, chance, item_values, score, several_values

PAIRS = (
    st.integers(1, 60)
    .flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 4), min_size=n, max_size=n),
            st.lists(st.integers(0, 4), min_size=n, max_size=n),
        )
    )
    .map(lambda pair: (np.array(pair[0]), np.array(pair[1])))
)


@given(PAIRS)
def test_equal_to_scikit_learn(pair):
    true, predicted = pair
    ours = score(true, predicted, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kappa = reference.cohen_kappa_score(true, predicted)
        expected = {
            "accuracy": reference.accuracy_score(true, predicted),
            "macro_f1": reference.f1_score(true, predicted, average="macro", zero_division=0),
            "balanced_accuracy": reference.balanced_accuracy_score(true, predicted),
            "kappa": 0.0 if np.isnan(kappa) else kappa,
        }
    assert ours == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_item_values_are_first_order_influences(name):
    """Taking one item away moves the metric by about its influence / n."""
    rng = np.random.default_rng(0)
    n = 2000
    true = rng.integers(0, 4, n)
    predicted = np.where(rng.random(n) < 0.7, true, rng.integers(0, 4, n))
    values = item_values(name, true, predicted, 4)
    for i in rng.integers(0, n, 20):
        kept = np.arange(n) != i
        without = item_values(name, true[kept], predicted[kept], 4).mean()
        moved = (values.mean() - without) * (n - 1)
        assert moved == pytest.approx(values[i] - values.mean(), abs=0.02)


def test_chance_has_three_meanings():
    true = np.array([0, 0, 0, 1])
    levels = chance(true, np.array([0, 1, 0, 1]), 2)
    assert (levels.uniform, levels.majority, levels.matched) == (0.5, 0.75, 0.5)


def test_unknown_metric_says_what_is_near():
    with pytest.raises(UserError, match="did you mean 'macro_f1'"):
        item_values("macrof1", np.array([0]), np.array([0]), 1)


@given(PAIRS)
def test_several_metrics_at_once_are_each_by_itself(pair):
    for name, values in zip(
        CLASSIFICATION, several_values(tuple(CLASSIFICATION), *pair, 5), strict=True
    ):
        np.testing.assert_array_equal(values, item_values(name, *pair, 5))
