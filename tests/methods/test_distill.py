"""A student comes near its teacher, and sees what it may see."""

from __future__ import annotations

import numpy as np
import pytest

from bench.core.errors import NotApplicableError
from bench.core.identity import item_digest
from bench.core.predictions import ClassPredictions
from bench.core.task import Modality, Split
from bench.methods import registry
from bench.methods.distill import transfer_set

QUICK = {
    "least_steps": 1,
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "head_learning_rate": 1e-2,
}


class Watched:
    """A teacher, and what it was asked."""

    def __init__(self, inner):
        self.inner, self.label, self.asked = inner, inner.label, []
        self.learned = None  # from what alone, where it was told to be apart

    def apart(self, train):
        self.inner, self.learned = self.inner.apart(train), train
        return self

    def predict(self, inputs):
        self.asked += list(inputs)
        return self.inner.predict(inputs)

    def features(self, inputs):
        self.asked += list(inputs)
        return self.inner.features(inputs)


class Blind(Watched):
    """A teacher that never thinks of the class `blind`."""

    blind = 1

    def predict(self, inputs):
        rows = super().predict(inputs).probabilities.copy()
        rows[:, self.blind] = 0.0
        return ClassPredictions(rows / rows.sum(axis=1, keepdims=True))


class BlindToTheLast(Blind):
    blind = 3


def teach(
    kit,
    modality,
    train,
    validation=None,
    *,
    teacher="probe",
    unlabelled=(),
    around=Watched,
    **more,
):
    watched = around(kit.member(teacher, modality, train))
    context = kit.context(modality, members=[watched], unlabelled=unlabelled)
    method = registry()["distill"]
    parameters = {**method.spec.defaults, **QUICK, **more}
    return method.fit(parameters, train, validation, context), watched


def divergence(p, q):
    """KL(p || q) in nats, the mean over rows."""
    p, q = (np.maximum(rows.astype(float), 1e-9) for rows in (p, q))
    return (p * np.log(p / q)).sum(axis=1).mean()


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])
def test_without_labels_the_student_comes_near_the_teachers_probabilities(kit, modality):
    train = kit.splits[modality][0].take(np.arange(60))
    found = []
    for steps in (1, 60):
        student, teacher = teach(
            kit, modality, train, hard=0.0, softness=1.0, least_steps=steps, transfer=0
        )
        told = teacher.predict(train.inputs).probabilities
        found.append(divergence(told, student.predict(train.inputs).probabilities))
    assert found[1] < 0.4 * found[0]


def test_held_out_and_test_inputs_are_not_in_the_transfer_set(kit):
    pool, test, _ = kit.splits[Modality.IMAGE]
    train, held = pool.take(np.arange(0, 200, 2)), pool.take(np.arange(1, 200, 8))
    student, teacher = teach(
        kit, Modality.IMAGE, train, held, unlabelled=pool.inputs, match=1.0, transfer=1000
    )
    assert teacher.learned is train
    asked = {item_digest(item) for item in teacher.asked}
    learned = {item_digest(item) for item in train.inputs}
    assert not asked & ({item_digest(item) for item in held.inputs} - learned)
    assert not asked & ({item_digest(i) for i in test.inputs} - set(map(item_digest, pool.inputs)))
    assert learned <= asked
    assert student.facts()["transfer"] == len(asked - learned) > 50
    assert student.facts()["teacher"] == "probe"


def test_the_transfer_set_has_the_labelled_first_and_others_once(kit):
    train = Split(["a", "b"], np.array([0, 1]))
    pool = ["a", "b", "c", "c", "d", "e", "f"]

    def drawn(most, seed=0, validation=None):
        context = kit.context(Modality.TEXT, seed=seed, unlabelled=pool)
        found = transfer_set(train, validation, context, most)
        assert found[:2] == ["a", "b"]
        return found[2:]

    assert sorted(drawn(100)) == ["c", "d", "e", "f"]
    assert len(drawn(3)) == 3
    assert drawn(0) == []
    assert drawn(3) == drawn(3)
    assert len({tuple(drawn(2, seed)) for seed in range(8)}) > 1
    assert sorted(drawn(100, validation=Split(["d", "e"], np.array([0, 0])))) == ["c", "f"]


def test_labels_count_where_they_have_all_of_the_loss(kit):
    """hard = 1 on labelled items alone: whatever the teacher says."""
    train = kit.splits[Modality.TEXT][0]
    students = [
        teach(kit, Modality.TEXT, train, teacher=name, hard=1.0, transfer=0)[0]
        for name in ("probe", "tfidf")
    ]
    first, second = (s.predict(train.inputs).probabilities for s in students)
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("blind", [Blind, BlindToTheLast])
def test_a_label_that_the_teacher_never_thinks_of_keeps_its_class(kit, blind):
    """hard = 1 on labelled items alone: such a teacher changes nothing either."""
    train = kit.splits[Modality.TEXT][0]
    students = [
        teach(kit, Modality.TEXT, train, around=around, hard=1.0, transfer=0)[0]
        for around in (Watched, blind)
    ]
    first, second = (s.predict(train.inputs).probabilities for s in students)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_features_are_matched_where_the_teacher_has_some(kit):
    train, test, _ = kit.splits[Modality.TEXT]
    plain, _ = teach(kit, Modality.TEXT, train)
    matched, _ = teach(kit, Modality.TEXT, train, match=10.0)
    first, second = (s.predict(test.inputs).probabilities for s in (plain, matched))
    assert np.abs(first - second).max() > 1e-4
    assert plain.size() == matched.size()  # the map to the teacher's features stays behind
    with pytest.raises(NotApplicableError):
        teach(kit, Modality.TEXT, train, teacher="tfidf", match=1.0)


@pytest.mark.parametrize("parts", [2, 5, 32])
def test_a_step_in_parts_is_the_step_of_the_whole_batch(kit, parts):
    """A part may have no label, and another the only one: the vision model has no dropout."""
    pool, test, _ = kit.splits[Modality.IMAGE]
    of = {"unlabelled": pool.inputs, "transfer": 60, "match": 1.0, "hard": 0.5, "least_steps": 4}
    whole, divided = (
        teach(kit, Modality.IMAGE, pool.take(np.arange(0, 200, 20)), accumulate=count, **of)[0]
        for count in (1, parts)
    )
    first, second = (s.predict(test.inputs).probabilities for s in (whole, divided))
    np.testing.assert_allclose(first, second, atol=2e-4)


def test_stopping_early_is_refused(kit):
    with pytest.raises(NotApplicableError, match="epochs"):
        teach(kit, Modality.TEXT, kit.splits[Modality.TEXT][0], patience=2)
