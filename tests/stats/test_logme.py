"""LogME against the evidence of the model itself, maximised by other means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kendalltau, multivariate_normal, weightedtau

from bench.stats import agreement, logme


def evidence(features, labels):
    """The same quantity from scipy's normal density, with a simplex from several starts."""
    n, found = len(features), []
    for c in np.unique(labels):
        column = (labels == c).astype(float)

        def loss(logs, column=column):
            kernel = features @ features.T * np.exp(-logs[0]) + np.eye(n) * np.exp(-logs[1])
            normal = multivariate_normal(np.zeros(n), kernel, allow_singular=True)
            return -normal.logpdf(column)

        starts = [(a, b) for a in (0.0, 4.0, 8.0) for b in (0.0, 2.0)]
        options = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000}
        best = min(minimize(loss, s, method="Nelder-Mead", options=options).fun for s in starts)
        found.append(-best / n)
    return np.mean(found)


@pytest.mark.parametrize(("n", "d", "k"), [(40, 5, 3), (24, 40, 4), (60, 12, 2)])
def test_logme_is_the_maximum_of_the_evidence(n, d, k):
    rng = np.random.default_rng(n)
    features = rng.normal(size=(n, d))
    labels = (features[:, :k] + 0.7 * rng.normal(size=(n, k))).argmax(axis=1)
    assert logme(features, labels) == pytest.approx(evidence(features, labels), abs=1e-7)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_scale_rotation_and_order_change_nothing(seed, scale):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(30, 8)), np.arange(30) % 3
    turned = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    order = rng.permutation(30)
    one = logme(features, labels)
    assert logme(scale * features @ turned, labels) == pytest.approx(one, abs=1e-7)
    assert logme(features[order], labels[order]) == pytest.approx(one, abs=1e-9)
    assert logme(features, 7 - labels) == pytest.approx(one, abs=1e-9)


def test_features_that_tell_more_are_higher():
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 4
    signal = np.eye(4)[labels]
    found = [
        logme(np.hstack([signal + noise * rng.normal(size=(200, 4)), np.ones((200, 1))]), labels)
        for noise in (0.1, 0.3, 1.0, 30.0)
    ]
    assert found == sorted(found, reverse=True)


def test_labels_in_the_span_of_the_features_stay_finite():
    labels = np.arange(20) % 2
    assert np.isfinite(logme(np.eye(2)[labels], labels))
    assert np.isfinite(logme(np.eye(20), labels))


def test_features_that_say_nothing_are_worth_what_none_are():
    labels = np.arange(12) % 3
    column = (labels == 0).astype(float)
    var = np.mean(column**2)
    none = -0.5 * (np.log(2 * np.pi * var) + 1)  # y ~ N(0, var), at the best var
    assert logme(np.zeros((12, 4)), labels) == pytest.approx(none)
    rng = np.random.default_rng(0)
    assert logme(1e-3 * rng.normal(size=(12, 1)), labels) >= none - 1e-9


@pytest.mark.parametrize(
    ("features", "labels", "says"),
    [
        (np.full((3, 2), np.nan), [0, 1, 1], "NaN"),
        (np.ones((3, 2)), [0, 0, 0], "one class"),
        (np.ones((3, 2)), [0, 1], "shape|needed"),
    ],
)
def test_what_cannot_be_judged_is_refused(features, labels, says):
    with pytest.raises(ValueError, match=says):
        logme(features, labels)


def test_agreement_is_a_rank_correlation_that_weighs_the_top():
    actual = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    assert agreement(actual, actual) == pytest.approx(1.0)
    assert agreement(-actual, actual) == pytest.approx(-1.0)
    top, bottom = actual[[1, 0, 2, 3, 4]], actual[[0, 1, 2, 4, 3]]
    assert kendalltau(top, actual).statistic == kendalltau(bottom, actual).statistic
    assert agreement(top, actual) < agreement(bottom, actual)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12).filter(
        lambda pairs: all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
    )
)
def test_agreement_is_that_of_scipy(pairs):
    one, other = zip(*pairs, strict=True)
    assert agreement(one, other) == pytest.approx(weightedtau(one, other).statistic, abs=1e-12)


def test_fewer_than_three_or_constants_say_nothing():
    assert agreement([1, 2], [1, 2]) is None
    assert agreement([1, 1, 1], [1, 2, 3]) is None
