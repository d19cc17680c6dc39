"""Fine-tuning that starts from a probe starts from that probe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bench.core.task import Modality
from bench.methods import _trained as trained
from bench.methods import registry

BOTH = pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])
STILL = {"least_steps": 1, "epochs": 1, "learning_rate": 0.0, "head_learning_rate": 0.0}


def fit(context, train, validation=None, **more):
    method = registry()["probe-then-finetune"]
    return method.fit({**method.spec.defaults, **more}, train, validation, context)


@BOTH
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_before_training_it_predicts_what_logistic_regression_does(kit, modality, classes):
    train, test, _ = kit.splits[modality]
    train = train.take(np.flatnonzero(train.targets < classes))
    context = kit.context(modality)
    found = fit(context, train, **STILL, C=1.0).predict(test.inputs).probabilities
    trainable = context.trainable()
    rows, others = (
        trained.frozen_features(trainable, split.inputs, context, normalize=False).astype(float)
        for split in (train, test)
    )
    size = np.sqrt(np.square(rows).sum(axis=1).mean())
    model = LogisticRegression(C=1.0, max_iter=5000, tol=1e-6).fit(rows / size, train.targets)
    np.testing.assert_allclose(found[:, :classes], model.predict_proba(others / size), atol=5e-3)


@BOTH
def test_training_goes_on_from_there(kit, modality):
    train, test, _ = kit.splits[modality]
    context = kit.context(modality)
    still = fit(context, train, **STILL).predict(test.inputs).probabilities
    quick = {"least_steps": 4, "epochs": 1, "learning_rate": 1e-3}
    moved = fit(context, train, **quick).predict(test.inputs).probabilities
    assert 1e-4 < np.abs(moved - still).mean() < 0.3


@BOTH
def test_the_probe_has_not_seen_what_training_is_stopped_by(kit, modality):
    train, test, _ = kit.splits[modality]
    context = kit.context(modality)
    learned, _ = trained.with_validation(train, 1, context.seed)
    put_aside, alone = (
        fit(context, of, None, **STILL, patience=patience).predict(test.inputs).probabilities
        for of, patience in ((train, 1), (learned, 0))
    )
    np.testing.assert_array_equal(put_aside, alone)


def test_one_class_has_no_probe_and_is_always_predicted(kit):
    train, test, _ = kit.splits[Modality.TEXT]
    alone = train.take(np.flatnonzero(train.targets == 3))
    fitted = fit(kit.context(Modality.TEXT), alone, **STILL)
    assert fitted.predict(test.inputs).probabilities[:, 3].min() == 1.0
