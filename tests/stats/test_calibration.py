"""Calibration against scikit-learn and against sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from bench.stats import calibration, temperature, tempered
from bench.stats.calibration import BINS


def drawn(n=500, k=4, seed=0, scale=2.0):
    """Probabilities, and targets drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(n, k))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(k, p=row) for row in p])
    return p, targets


def test_the_likelihood_is_scikit_learns():
    p, targets = drawn()
    assert calibration(p, targets).nll == pytest.approx(log_loss(targets, p, labels=range(4)))


def test_the_brier_score_is_the_sum_over_classes():
    p, targets = drawn()
    by_hand = np.mean(
        [((row - np.eye(4)[y]) ** 2).sum() for row, y in zip(p, targets, strict=True)]
    )
    assert calibration(p, targets).brier == pytest.approx(by_hand)


def expected_error(p, targets):
    """Bin by bin, as Guo et al. write it."""
    total = 0.0
    confidence, right = p.max(axis=1), p.argmax(axis=1) == targets
    for m in range(BINS):
        low, high = m / BINS, (m + 1) / BINS
        inside = (confidence >= low) & ((confidence < high) | (m == BINS - 1))
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            total += inside.sum() / len(p) * gap
    return total


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 6))
def test_the_expected_error_is_the_loop_over_bins(seed, n, k):
    p, targets = drawn(n, k, seed)
    assert calibration(p, targets).ece == pytest.approx(expected_error(p, targets), abs=1e-9)


def test_certainty_has_a_bin_and_a_finite_cost():
    p = np.eye(3)[[0, 1, 2, 0]]
    right = calibration(p, np.array([0, 1, 2, 0]))
    assert (right.nll, right.brier, right.ece) == (0.0, 0.0, 0.0)
    wrong = calibration(p, np.array([1, 2, 0, 1]))
    assert wrong.brier == 2.0
    assert wrong.ece == 1.0
    assert 27 < wrong.nll < 28


def test_what_is_calibrated_has_a_small_expected_error():
    p, targets = drawn(20_000)
    assert calibration(p, targets).ece < 0.02


@pytest.mark.parametrize("planted", [0.25, 1.0, 4.0])
def test_a_planted_temperature_is_found(planted):
    p, targets = drawn(40_000, seed=1)
    distorted = tempered(p, 1 / planted)
    assert temperature(distorted, targets) == pytest.approx(planted, rel=0.02)


def test_tempering_with_what_was_found_mends_the_likelihood():
    p, targets = drawn(5000)
    distorted = tempered(p, 0.3)
    mended = tempered(distorted, temperature(distorted, targets))
    np.testing.assert_allclose(mended, p, atol=0.03)
    assert calibration(mended, targets).nll < calibration(distorted, targets).nll
    assert calibration(mended, targets).ece < calibration(distorted, targets).ece


@given(st.integers(0, 10_000), st.floats(0.05, 20))
def test_tempering_keeps_the_order_of_classes_and_sums_to_one(seed, at):
    p, _ = drawn(20, 5, seed)
    found = tempered(p.astype(np.float32), at)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_array_equal(found.argmax(axis=1), p.argmax(axis=1))
    ranked = np.take_along_axis(found, p.argsort(axis=1), axis=1)
    assert (np.diff(ranked, axis=1) >= 0).all()


def test_a_temperature_of_one_changes_nothing():
    p, _ = drawn(50)
    np.testing.assert_allclose(tempered(p, 1.0), p)


@pytest.mark.parametrize(
    ("p", "targets"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=np.int64)),
        (np.ones((4, 2)) / 2, np.zeros(3, dtype=np.int64)),
        (np.ones(4), np.zeros(4, dtype=np.int64)),
        (np.ones((4, 2)) / 2, np.zeros((4, 1), dtype=np.int64)),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(p, targets):
    for function in (calibration, temperature):
        with pytest.raises(ValueError, match="do not go together"):
            function(p, targets)
