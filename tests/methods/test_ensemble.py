"""Putting members together: means, weights, stacking and features, where the answer is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from bench.core.errors import NotApplicableError
from bench.core.method import HeldOut, Size
from bench.core.predictions import ClassPredictions
from bench.core.task import Split
from bench.methods.ensemble import LEAST, Ensemble, greedy, held_out
from bench.runner.execute import CellContext

CLASSES, ITEMS = 4, 400
EACH = Size(3, 12)
"""What a member trained and ships."""
RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, CLASSES, ITEMS)
TRAIN = Split(list(range(200)), TARGETS[:200], places=np.arange(200))
TEST = Split(list(range(200, ITEMS)), TARGETS[200:])


@dataclass
class Table:
    """A member whose answers are written down, by the number that an input is."""

    label: str
    rows: np.ndarray
    held: np.ndarray  # which labelled items it had held out
    wide: np.ndarray | None = None
    ships: Size | None = EACH

    def size(self):
        return self.ships

    def predict(self, inputs):
        return ClassPredictions(self.rows[list(inputs)])

    def held_out(self):
        if not len(self.held):
            raise NotApplicableError("nothing was held out")
        return HeldOut(self.held, TARGETS[self.held], ClassPredictions(self.rows[self.held]))

    def present(self, inputs):
        return np.ones(len(inputs), dtype=bool)

    def features(self, inputs):
        if self.wide is None:
            raise NotApplicableError("no features")
        return self.wide[list(inputs)]


def knowing(share, seed=0, turn=0, label="m", held=None, **more):
    """Sure of the right class (turned by `turn`) in a share of the items, and else of any."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(ITEMS) < share, TARGETS, rng.integers(0, CLASSES, ITEMS))
    rows = np.full((ITEMS, CLASSES), 0.1, dtype=np.float32)
    rows[np.arange(ITEMS), (said + turn) % CLASSES] = 0.7
    return Table(label, rows, np.arange(200) if held is None else held, **more)


def fitted(members, train=TRAIN, validation=None, **parameters):
    context = CellContext([str(c) for c in range(CLASSES)], 0, "cpu", None, members=members)
    method = Ensemble()
    return method.fit({**method.spec.defaults, **parameters}, train, validation, context)


def accuracy(predictions, split=TEST):
    return (predictions.classes == split.targets).mean()


def test_the_mean_is_the_mean():
    members = [knowing(0.8, 1), knowing(0.5, 2), knowing(0.2, 3)]
    found = fitted(members)
    expected = np.mean([m.rows[200:] for m in members], axis=0)
    np.testing.assert_allclose(found.predict(TEST.inputs).probabilities, expected, atol=1e-6)
    assert found.size() == Size(9, 36 + 3 * 8)  # theirs, and three weights


def test_a_size_is_not_known_where_a_members_is_not():
    members = [knowing(0.8, 1), dataclasses.replace(knowing(0.5, 2), ships=None)]
    assert fitted(members).size() is None


def test_greedy_weights_go_to_the_better_member():
    good, bad = knowing(0.9, 1, label="good"), knowing(0.0, 2, label="bad")
    found = fitted([bad, good], combine="weighted")
    weights = found.facts()
    assert weights["weight of good"] > 0.9
    assert sum(weights.values()) == pytest.approx(1.0)
    assert accuracy(found.predict(TEST.inputs)) >= accuracy(good.predict(TEST.inputs)) - 0.01


def test_greedy_is_no_worse_than_any_member_and_counts_whole_rounds():
    told = [
        knowing(share, seed).predict(TRAIN.inputs) for seed, share in enumerate((0.4, 0.6, 0.5))
    ]
    weights = greedy(told, TRAIN.targets, 20)
    np.testing.assert_allclose(weights * 20, np.round(weights * 20))
    of_true = [m.probabilities[np.arange(200), TRAIN.targets] for m in told]

    def likely(p):
        return np.log(np.maximum(p, LEAST)).mean()

    assert likely(weights @ np.stack(of_true)) >= max(map(likely, of_true))


def test_the_first_of_equals_is_taken():
    same = knowing(0.7, 1).predict(TRAIN.inputs)
    assert greedy([same, same], TRAIN.targets, 7).tolist() == [1.0, 0.0]


def test_a_stack_beats_members_and_mean_where_one_is_wrong_in_a_known_way():
    turned, weak = knowing(0.95, 1, turn=1), knowing(0.4, 2)
    members = [turned, weak]
    stack = accuracy(fitted(members, combine="stack").predict(TEST.inputs))
    others = [accuracy(m.predict(TEST.inputs)) for m in members]
    assert stack > 0.9
    assert stack > max(*others, accuracy(fitted(members).predict(TEST.inputs))) + 0.2


def test_only_what_all_members_had_held_out_is_learned_from():
    one = knowing(0.9, 1, held=np.arange(120))
    two = knowing(0.9, 2, held=np.arange(80, 200))
    found = fitted([one, two], combine="stack")
    both = [Table("m", m.rows, np.arange(80, 120)) for m in (one, two)]
    expected = fitted(both, combine="stack")
    np.testing.assert_array_equal(
        found.predict(TEST.inputs).probabilities, expected.predict(TEST.inputs).probabilities
    )


@pytest.mark.parametrize("combine", ["weighted", "stack"])
def test_nothing_held_out_in_common_is_said(combine):
    one, two = knowing(0.9, 1, held=np.arange(100)), knowing(0.9, 2, held=np.arange(100, 200))
    with pytest.raises(NotApplicableError, match="in common"):
        fitted([one, two], combine=combine)


def test_features_side_by_side_tell_what_none_tells_alone():
    """One member's features tell a class's first bit, the other's its second."""
    bits = [(TARGETS & 1)[:, None], (TARGETS >> 1)[:, None]]
    noise = RNG.normal(size=(2, ITEMS, 3))
    wide = [np.concatenate([b, 0.1 * n], axis=1) for b, n in zip(bits, noise, strict=True)]
    one, two = (knowing(0.5, i, wide=w.astype(np.float32)) for i, w in enumerate(wide))
    both = fitted([one, two], combine="features", C=100.0)
    assert accuracy(both.predict(TEST.inputs)) > 0.99
    alone = fitted([one, one], combine="features", C=100.0)
    assert accuracy(alone.predict(TEST.inputs)) < 0.7
    assert both.size().trained == CLASSES * (8 + 1)
    with pytest.raises(NotApplicableError, match="no features"):
        fitted([one, knowing(0.5)], combine="features")


@pytest.mark.parametrize("combine", ["mean", "weighted", "stack"])
def test_labelled_items_to_choose_by_are_answered_as_they_were_held_out(combine):
    """A member has learned from every labelled item: only in tuning it had not, for each fold."""

    class Learned(Table):
        def held_out(self):
            told = ClassPredictions(honest.rows[self.held])
            return dataclasses.replace(super().held_out(), predictions=told)

    honest = knowing(0.5, 7)
    knows_all = Learned("m", np.eye(CLASSES, dtype=np.float32)[TARGETS], np.arange(200))
    train, held = TRAIN.take(np.arange(150)), TRAIN.take(np.arange(150, 200))
    found = fitted([knows_all, knows_all], train, held, combine=combine)
    assert accuracy(found.predict(held.inputs), held) < 0.8
    final = fitted([knows_all, knows_all], TRAIN, combine="mean")
    assert accuracy(final.predict(TEST.inputs)) == 1.0


def test_the_same_input_in_and_out_of_a_fold_is_two_items():
    """Told by their places: what a fit said of a twin that it had learned is no answer."""
    twins = Split([0, *range(1, 199), 0], TARGETS[[*range(199), 0]], places=np.arange(200))
    members = [knowing(0.9, seed, held=np.arange(100, 200)) for seed in (1, 2)]
    told, targets = held_out(members, twins.places[:150])
    assert len(targets) == 50
    np.testing.assert_array_equal(told[0].probabilities, members[0].rows[100:150])
    assert len(held_out(members)[1]) == 100


def test_items_beyond_the_labelled_ones_are_learned_from_where_these_were_held_out():
    extra = [knowing(0.9, seed, held=np.arange(200, 300)) for seed in (1, 2)]
    stack = fitted(extra, combine="stack")
    assert accuracy(stack.predict(TEST.inputs)) > 0.8


def test_a_class_that_was_never_held_out_is_left_to_the_members():
    common = np.flatnonzero(TARGETS[:200] != 2)
    members = [knowing(0.9, seed, held=common) for seed in (1, 2)]
    stack = fitted(members, combine="stack").predict(TEST.inputs)
    mean = fitted(members, combine="mean").predict(TEST.inputs)
    np.testing.assert_allclose(stack.probabilities[:, 2], mean.probabilities[:, 2], atol=1e-6)
    np.testing.assert_allclose(stack.probabilities.sum(axis=1), 1.0, atol=1e-6)
    of_class = TEST.targets == 2
    assert (stack.classes[of_class] == 2).mean() > 0.8
