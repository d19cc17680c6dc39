"""Draws: pure, nested, capped, and MTEB's order to the letter."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.core.draws import draw_items, shuffle_targets
from bench.core.suite import Sampling, TrainRule

TARGETS = st.lists(st.integers(0, 5), min_size=1, max_size=200).map(np.array)


@given(TARGETS, st.integers(1, 20), st.integers(0, 5))
def test_per_class_takes_that_many_or_all(targets, per_class, draw):
    found = draw_items(targets, TrainRule(per_class=per_class), draw)
    have, got = np.bincount(targets), np.bincount(targets[found.labelled], minlength=6)
    assert len(set(found.labelled)) == len(found.labelled)
    for label, count in enumerate(have):
        assert got[label] == min(count, per_class)
        assert (label in found.capped) == (0 < count < per_class)


@given(TARGETS, st.integers(1, 10), st.integers(0, 5))
def test_a_smaller_draw_lies_in_a_larger(targets, per_class, draw):
    small = draw_items(targets, TrainRule(per_class=per_class), draw)
    large = draw_items(targets, TrainRule(per_class=per_class + 5), draw)
    assert set(small.labelled) <= set(large.labelled)


@given(TARGETS, st.integers(0, 30))
def test_extra_items_are_not_labelled_ones(targets, extra):
    found = draw_items(targets, TrainRule(per_class=2, validation_extra=extra), 0)
    assert not set(found.extra) & set(found.labelled)
    assert len(found.extra) == min(extra, len(targets) - len(found.labelled))


def test_draws_differ_and_repeat():
    targets = np.repeat(np.arange(3), 50)
    rule = TrainRule(per_class=8)
    first, second = draw_items(targets, rule, 0), draw_items(targets, rule, 1)
    assert set(first.labelled) != set(second.labelled)
    assert first.labelled.tolist() == draw_items(targets, rule, 0).labelled.tolist()


def test_full_is_everything_in_order():
    targets = np.array([2, 0, 1, 0])
    assert draw_items(targets, TrainRule(), 3).labelled.tolist() == [0, 1, 2, 3]


def test_mteb_sampling_is_mtebs():
    """The protocol as its description has it: one list, shuffled in place, carried over."""
    labels = np.random.default_rng(1).integers(0, 7, 300)
    indices: list[int] = list(range(len(labels)))
    for experiment in range(4):
        np.random.RandomState(42).shuffle(indices)
        counts, expected = defaultdict(int), []
        for i in indices:
            if counts[labels[i]] < 8:
                expected.append(i)
                counts[labels[i]] += 1
        rule = TrainRule(per_class=8, sampling=Sampling.MTEB)
        assert draw_items(labels, rule, experiment).labelled.tolist() == expected


@given(TARGETS, st.integers(0, 3))
def test_shuffling_keeps_the_shares(targets, draw):
    assert sorted(shuffle_targets(targets, draw)) == sorted(targets)
