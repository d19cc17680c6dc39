"""How labelled items are divided for choosing, and what is chosen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from bench.core.errors import DivergedError
from bench.core.method import Method
from bench.core.task import RareRule, Split
from bench.methods import registry
from bench.runner.tune import choose, divide


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


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8)), min_size=4, max_size=80),
    st.integers(0, 3),
    st.sampled_from(RareRule),
    st.integers(0, 3),
)
def test_no_group_is_on_both_sides_whatever_is_rare_or_extra(items, extra, rule, draw):
    targets, groups = np.array(items).T
    for train, held in divide(split(targets, groups), extra, rule, draw).pairs:
        assert not {*groups[train]} & {*groups[held]}


def test_rare_items_go_with_their_group_and_stay_otherwise():
    targets = [0, 1] * 12 + [2, 2]
    groups = np.array([*np.repeat(np.arange(4), 6), 0, 9])
    found = divide(split(targets, groups), 0, RareRule.TRAIN_ONLY, 0)
    assert len(found.pairs) == 4
    for train, held in found.pairs:
        assert 25 in train
        assert (24 in train) == (0 not in groups[held])


def test_extra_items_of_groups_that_are_learned_from_are_left_out():
    groups = np.array([0, 0, 1, 1, 1, 2, 2])
    found = divide(split([0, 1, 0, 1, 0, 1, 0], groups), 3, RareRule.ERROR, 0)
    ((train, held),) = found.pairs
    assert (train.tolist(), held.tolist()) == ([0, 1, 2, 3], [5, 6])
    assert found.label == "2 items beyond the labelled ones"
    none = divide(split([0, 1, 0, 1], [0, 1, 0, 1]), 2, RareRule.ERROR, 0)
    assert none.pairs == ()
    assert none.label.startswith("none: no group")


@pytest.mark.parametrize(("count", "folds"), [(1, 0), (3, 3), (12, 4), (40, 1)])
def test_targets_that_are_no_classes_are_divided_all_the_same(count, folds):
    found = divide(split(range(count)), 0, RareRule.NO_CLASSES, 0)
    assert (len(found.pairs), found.rare) == (folds, {})
    for train, held in found.pairs:
        assert sorted([*train, *held]) == list(range(count))
        assert len(held) >= count // 4


@pytest.mark.parametrize(("speakers", "folds"), [(1, 0), (2, 2), (6, 4)])
def test_without_classes_groups_are_not_torn_apart_either(speakers, folds):
    groups = np.arange(12) % speakers
    found = divide(split(range(12), groups), 0, RareRule.NO_CLASSES, 0)
    assert len(found.pairs) == folds
    for train, held in found.pairs:
        assert len(held)
        assert not set(groups[train]) & set(groups[held])


class Pixels:
    """A context whose features are the inputs themselves; `refused` counts those it denies."""

    classes, seed, device = 10, 0, "cpu"
    class_names = tuple("0123456789")

    def __init__(self, refused: int = 0):
        self.refused = refused

    def features(self, inputs):
        if len(inputs) == self.refused:
            raise DivergedError("refused")
        return np.stack(inputs)


@pytest.fixture(scope="module")
def digits() -> Split:
    """Eight digits of each kind."""
    images, targets = load_digits(return_X_y=True)
    first = np.concatenate([np.flatnonzero(targets == c)[:8] for c in range(10)])
    return Split(list(images[first].astype(np.float32) / 16), targets[first].astype(np.int64))


def chosen(digits, points, context=None, clock=None, method="probe"):
    probe: Method = registry()[method]
    full = [{**probe.spec.defaults, **point} for point in points]
    division = divide(digits, 0, RareRule.ERROR, 0)
    clock = clock or itertools.count().__next__
    return choose(probe, full, digits, division, context or Pixels(), "accuracy", clock)


def space(**pinned):
    return registry()["probe"].spec.points(pinned, 8)


def test_a_batch_chooses_what_fits_one_by_one_choose(digits):
    single = chosen(digits, space(tolerance=1e-6))
    batch = chosen(digits, space(tolerance=1e-6, solver="batched"))
    assert batch.parameters == {**single.parameters, "solver": "batched"}
    assert [t.score for t in batch.trials] == [t.score for t in single.trials]
    found, expected = batch.validation.probabilities, single.validation.probabilities
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_trial_of_a_batch_is_charged_its_share(digits):
    points = [{"C": 1.0}, *({"C": c, "solver": "batched"} for c in (0.1, 1.0, 10.0, 100.0))]
    trials = chosen(digits, points).trials  # of a clock that ticks once whenever it is looked at
    assert [t.parameters["solver"] for t in trials] == ["sklearn"] + 4 * ["batched"]
    assert [t.seconds for t in trials] == [1.0] + 4 * [1.25]


@pytest.mark.parametrize("solver", ["sklearn", "batched"])
def test_where_every_fit_fails_the_reason_is_told(digits, solver):
    with pytest.raises(DivergedError, match="refused"):
        chosen(digits, space(solver=solver), Pixels(refused=60))  # three folds of four


@pytest.mark.parametrize(("groups", "folds"), [(1, 0), (2, 2), (3, 3), (9, 4)])
def test_there_are_no_more_folds_than_groups(groups, folds):
    of = np.arange(36) % groups
    found = divide(split(np.arange(36) // 18, of), 0, RareRule.ERROR, 0)
    assert len(found.pairs) == folds or (folds and found.label == f"1 of {folds} folds held out")
    for train, held in found.pairs:
        assert len(held)
        assert not set(of[train]) & set(of[held])


def test_where_every_class_is_rare_there_is_nothing_to_choose_by():
    found = divide(split([0, 1, 2, 0, 1, 2]), 0, RareRule.TRAIN_ONLY, 0)
    assert (found.pairs, found.rare) == ((), {0: 2, 1: 2, 2: 2})
    assert found.label == "none: every class has fewer than 3 labels"
