"""Counts of mistakes against scikit-learn, small cases by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from bench.stats.mistakes import confusions, overlap, trust_by, worst

CLASSES = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80))
def test_confusions_are_the_matrix_off_its_diagonal(pairs):
    true, predicted = np.array(pairs, dtype=np.int64).T
    matrix = confusion_matrix(true, predicted, labels=range(5))
    found = confusions(true, predicted)
    assert {(one.true, one.predicted): one.count for one in found} == {
        (i, j): matrix[i, j] for i in range(5) for j in range(5) if i != j and matrix[i, j]
    }
    assert [one.count for one in found] == sorted((one.count for one in found), reverse=True)
    for one in found:
        assert one.of_class == pytest.approx(one.count / matrix[one.true].sum())
    if found:
        assert sum(one.of_mistakes for one in found) == pytest.approx(1)


def test_the_worst_are_the_most_confident_mistakes():
    true, predicted = np.array([0, 1, 2, 0, 1]), np.array([0, 2, 1, 1, 0])
    confidence = np.array([1.0, 0.5, 0.9, 0.5, 0.6], dtype=np.float32)
    assert worst(true, predicted, confidence).tolist() == [2, 4, 1, 3]  # equals in test order
    assert worst(true, true, confidence).tolist() == []


@given(CLASSES, st.randoms(use_true_random=False))
def test_gaps_by_group_add_up_to_the_gap_of_all(groups, random):
    n = len(groups)
    confidence = np.array([random.random() for _ in range(n)])
    right = np.array([random.random() < 0.5 for _ in range(n)])
    found = trust_by(np.array(groups), confidence, right)
    assert sum(one.items for one in found) == n
    total = sum(one.gap * one.items for one in found) / n
    assert total == pytest.approx(float(np.mean(confidence - right)))
    for one in found:
        assert one.gap == pytest.approx(one.confidence - one.accuracy)
        assert (one.low is None) == (one.items == 1)
        if one.low is not None:
            assert -1 <= one.low <= one.gap <= one.high <= 1
    assert [abs(one.gap) for one in found] == sorted((abs(one.gap) for one in found), reverse=True)


def test_the_interval_of_a_gap_covers_what_is_true():
    """Items that are right with their own probability: the true gap is 0."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        confidence = rng.uniform(0.5, 1.0, 60)
        (one,) = trust_by(np.zeros(60, np.int64), confidence, rng.random(60) < confidence)
        covered += one.low <= 0 <= one.high
    assert 0.92 <= covered / 400 <= 0.98


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_every_item_is_somewhere_in_the_overlap(pairs):
    first, second = (np.array([pair[i] for pair in pairs], dtype=bool) for i in (0, 1))
    found = overlap(first, second)
    parts = (found.both_right, found.only_first, found.only_second, found.both_wrong)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(pairs)))
    assert all(not first[i] and second[i] for i in found.only_first)
    assert all(first[i] and not second[i] for i in found.only_second)


def test_other_items_are_no_overlap():
    with pytest.raises(ValueError, match="not the same items"):
        overlap(np.array([True]), np.array([True, False]))
