"""Medians and paired ratios with bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import ratios
from bench.stats.ratios import median_interval, paired_ratio, spread_alike

SECONDS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40)


@given(SECONDS)
def test_the_interval_holds_the_median_and_stays_in_range(samples):
    low, high = median_interval(samples, 200)
    assert min(samples) <= low <= high <= max(samples)
    assert median_interval(samples, 200) == (low, high)


@given(SECONDS, st.integers(0, 2**32))
def test_swapping_the_two_gives_the_reciprocal(samples, seed):
    other = np.random.default_rng(seed).lognormal(size=len(samples))
    ratio, turned = paired_ratio(samples, other), paired_ratio(other, samples)
    assert ratio.ratio == pytest.approx(1 / turned.ratio)
    assert (ratio.low, ratio.high) == pytest.approx((1 / turned.high, 1 / turned.low))
    assert ratio.pairs == len(samples)


@given(SECONDS, st.floats(0.01, 100))
def test_a_constant_factor_is_told_exactly(samples, factor):
    found = paired_ratio(np.array(samples) * factor, samples)
    assert (found.ratio, found.low, found.high) == pytest.approx([factor] * 3)


def test_it_is_the_plain_bootstrap_of_the_median_in_blocks_or_not(monkeypatch):
    x = np.random.default_rng(7).normal(size=31)
    picks = np.random.default_rng(0).integers(0, 31, (2000, 31))
    plain = np.quantile(np.median(x[picks], axis=1), (0.025, 0.975))
    assert median_interval(x) == pytest.approx(tuple(plain), abs=1e-15)
    whole = median_interval(x)
    monkeypatch.setattr(ratios, "_AT_ONCE", 1000)
    assert median_interval(x) == whole
    monkeypatch.setattr(ratios, "_AT_ONCE", 1)
    assert median_interval(x) == whole


@pytest.mark.parametrize(
    ("count", "least", "most"), [(3, 0.70, 0.80), (5, 0.91, 0.97), (15, 0.91, 0.97)]
)
def test_how_often_the_interval_holds_the_truth(count, least, most):
    rng = np.random.default_rng(count)
    ends = [median_interval(rng.normal(size=count), 1000) for _ in range(1000)]
    assert least < np.mean([low <= 0 <= high for low, high in ends]) < most


def test_spread_is_of_neighbours_of_one_label():
    labels = "ABBAABBA"
    values = [1.0, 5.0, 5.5, 1.1, 1.0, 5.0, 5.5, 1.1]
    assert spread_alike(labels, values) == pytest.approx(1.4826 * np.log(1.1))
    assert spread_alike("ABAB", [1.0, 2.0, 3.0, 4.0]) == np.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: median_interval([]),
        lambda: median_interval([1.0, np.nan]),
        lambda: median_interval([[1.0]]),
        lambda: paired_ratio([1.0, 2.0], [1.0]),
        lambda: paired_ratio([1.0], [0.0]),
        lambda: spread_alike("AB", [1.0]),
        lambda: spread_alike("AA", [1.0, -1.0]),
    ],
)
def test_what_has_no_ratio_is_an_error(call):
    with pytest.raises(ValueError, match=r"finite|same length|above 0|shorter"):
        call()
