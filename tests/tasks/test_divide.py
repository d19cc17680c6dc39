"""Divisions: pure, the same everywhere, and never an item on both sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.tasks._divide import Division, by_group, latest, stratified

shares = st.floats(0.01, 0.99)
targets_of = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.int64)


def assert_divides(division: Division, n: int) -> None:
    both = np.concatenate([division.train, division.test])
    assert both.dtype == np.int64
    np.testing.assert_array_equal(np.sort(both), np.arange(n))


@given(targets_of, shares)
def test_stratified_keeps_the_share_of_each_class(targets: np.ndarray, share: float) -> None:
    division = stratified(targets, share)
    assert_divides(division, len(targets))
    for target in np.unique(targets):
        size = int((targets == target).sum())
        tested = int((targets[division.test] == target).sum())
        assert abs(tested - share * size) <= 1
        assert size == 1 or 0 < tested < size
        assert size > 1 or tested == 0


@given(targets_of, shares)
def test_stratified_is_pure(targets: np.ndarray, share: float) -> None:
    before = targets.copy()
    first, second = stratified(targets, share), stratified(targets, share)
    np.testing.assert_array_equal(first.test, second.test)
    np.testing.assert_array_equal(first.train, second.train)
    np.testing.assert_array_equal(targets, before)


@given(st.data(), targets_of, shares)
def test_groups_stay_whole(data: st.DataObject, targets: np.ndarray, share: float) -> None:
    n = len(targets)
    groups = np.int64(data.draw(st.lists(st.integers(-3, 9), min_size=n, max_size=n)))
    division = by_group(groups, targets, share)
    assert_divides(division, n)
    assert not set(groups[division.train]) & set(groups[division.test])
    assert len(division.train)
    assert bool(len(division.test)) == (len(set(groups.tolist())) > 1)


def test_groups_come_near_to_the_share_with_every_class() -> None:
    groups = np.repeat(np.arange(100), 10)
    targets = (groups % 4 == 0).astype(np.int64)
    division = by_group(groups, targets, 0.25)
    assert len(division.test) == 250
    rare = (groups >= 98).astype(np.int64)  # two groups hold a class: one goes to each side
    division = by_group(groups, rare, 0.25)
    assert set(rare[division.train]) == set(rare[division.test]) == {0, 1}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60).map(np.float64), shares)
def test_the_latest_are_the_test(times: np.ndarray, share: float) -> None:
    division = latest(times, share)
    assert_divides(division, len(times))
    assert len(division.train)
    if len(set(times.tolist())) > 1:
        assert times[division.train].max() < times[division.test].min()
    else:
        assert not len(division.test)


def test_distinct_times_give_the_exact_share() -> None:
    assert len(latest(np.arange(200.0), 0.25).test) == 50
    assert latest(np.arange(200.0)[::-1], 0.25).test.max() == 49
