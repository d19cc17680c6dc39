"""Shares of variance, against planted components and another computation of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import shares


def planted(rng, shape, sds):
    """Values (D, S, N) with standard deviations of draw, seed, item, draw x item and rest."""
    d, s, n = shape
    draw, seed, item, both, rest = sds
    return (
        draw * rng.standard_normal((d, 1, 1))
        + seed * rng.standard_normal((d, s, 1))
        + item * rng.standard_normal((1, 1, n))
        + both * rng.standard_normal((d, 1, n))
        + rest * rng.standard_normal((d, s, n))
    )


def test_planted_shares_come_out():
    shape, sds = (20, 6, 400), (0.05, 0.04, 0.4, 0.2, 0.3)
    d, s, n = shape
    true = np.array(
        [
            sds[0] ** 2 / d,
            sds[1] ** 2 / (d * s),
            sds[2] ** 2 / n,
            sds[3] ** 2 / (d * n) + sds[4] ** 2 / (d * s * n),
        ]
    )
    rng = np.random.default_rng(0)
    found = [shares(planted(rng, shape, sds)) for _ in range(200)]
    mean = np.mean([(f.draw, f.seed, f.item, f.rest) for f in found], axis=0)
    np.testing.assert_allclose(mean, true / true.sum(), atol=0.03)


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 4), st.integers(2, 9))
def test_they_add_up_and_order_changes_nothing(seed, d, s, n):
    rng = np.random.default_rng(seed)
    values = planted(rng, (d, s, n), rng.random(5))
    found = shares(values)
    assert found.draw + found.seed + found.item + found.rest == pytest.approx(1.0)
    assert min(found.draw, found.seed, found.item, found.rest) >= 0
    again = shares(3 * values[::-1, ::-1, ::-1] + 5)
    assert again.draw == pytest.approx(found.draw, abs=1e-9)
    assert again.seed == pytest.approx(found.seed, abs=1e-9)


def test_one_source_alone_has_all_of_it():
    rng = np.random.default_rng(1)
    assert shares(planted(rng, (3, 3, 50), (1, 0, 0, 0, 0))).draw == pytest.approx(1.0)
    assert shares(planted(rng, (3, 3, 50), (0, 0, 1, 0, 0))).item == pytest.approx(1.0)
    found = shares(planted(rng, (40, 3, 50), (0, 1, 0, 0, 0)))
    assert found.item == pytest.approx(0.0)
    assert found.seed + found.draw == pytest.approx(1.0)
    assert found.seed > 0.6


@pytest.mark.parametrize("shape", [(1, 3, 9), (3, 1, 9), (3, 3, 1)])
def test_where_they_cannot_be_told_apart_there_are_none(shape):
    assert shares(np.random.default_rng(2).random(shape)) is None


def test_nothing_that_varies_has_no_shares():
    assert shares(np.ones((2, 2, 5))) is None


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="draws, seeds, items"):
        shares(np.ones((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        shares(np.full((2, 2, 2), np.nan))
