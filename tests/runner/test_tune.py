"""How labelled items are divided for choosing, and what is chosen."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.core.task import RareRule, Split
from bench.runner.tune import divide


def split(targets, groups=None) -> Split:
    targets = np.array(targets)
    return Split(
        inputs=[str(i) for i in range(len(targets))],
        targets=targets,
        groups=None if groups is None else np.array(groups),
    )


@given(st.lists(st.integers(0, 3), min_size=4, max_size=80), st.integers(0, 3))
def test_validation_comes_out_of_the_labels_and_never_overlaps(targets, draw):
    found = divide(split(targets), 0, RareRule.ERROR, draw)
    for train, held in found.pairs:
        assert not set(train) & set(held)
        assert set(train) | set(held) == set(range(len(targets)))
        assert set(np.array(targets)[held]) <= set(np.array(targets)[train])


def test_few_labels_are_cross_validated_and_many_held_out():
    few = divide(split(np.repeat([0, 1], 8)), 0, RareRule.ERROR, 0)
    assert (few.label, len(few.pairs)) == ("4-fold", 4)
    assert sorted(np.concatenate([held for _, held in few.pairs])) == list(range(16))
    many = divide(split(np.repeat([0, 1], 32)), 0, RareRule.ERROR, 0)
    assert (many.label, len(many.pairs)) == ("1 of 4 folds held out", 1)
    assert len(many.pairs[0][1]) == 16


def test_one_label_a_class_leaves_nothing_to_choose_by():
    assert divide(split([0, 1, 2]), 0, RareRule.ERROR, 0).pairs == ()


def test_rare_classes_stay_in_training_where_the_task_says_so():
    targets = [0] * 10 + [1] * 10 + [2] * 2 + [3]
    found = divide(split(targets), 0, RareRule.TRAIN_ONLY, 0)
    assert found.rare == {2: 2, 3: 1}
    for train, held in found.pairs:
        assert {20, 21, 22} <= set(train)
        assert not {20, 21, 22} & set(held)


def test_extra_validation_items_are_used_alone():
    (pair,) = divide(split([0, 1] * 10), 6, RareRule.ERROR, 0).pairs
    assert pair[0].tolist() == list(range(14))
    assert pair[1].tolist() == list(range(14, 20))


def test_groups_are_not_torn_apart():
    groups = np.repeat(np.arange(20), 4)
    found = divide(split(np.tile([0, 1], 40), groups), 0, RareRule.ERROR, 0)
    for train, held in found.pairs:
        assert not set(groups[train]) & set(groups[held])
