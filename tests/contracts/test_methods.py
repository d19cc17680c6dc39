"""What every method keeps to; a new one is found here by itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.core.errors import CellError, DivergedError
from bench.core.method import Job, ManyMethod, Needs
from bench.core.task import Modality, Split
from bench.methods import registry

METHODS = list(registry())
MANY = [name for name in METHODS if isinstance(registry()[name], ManyMethod)]


@pytest.fixture
def problem(request, splits, context):
    """(method, parameters, train, test, context) of the method's own modality."""
    method = registry()[request.param]
    modality = Modality.TEXT if Modality.IMAGE not in method.spec.modalities else Modality.IMAGE
    train, test, names = splits[modality]
    return method, method.spec.defaults, train, test, context(train, len(names))


every_method = pytest.mark.parametrize("problem", METHODS, indirect=True)
every_batching_method = pytest.mark.parametrize("problem", MANY, indirect=True)


@pytest.mark.parametrize("name", METHODS)
def test_the_description_is_whole(name):
    spec = registry()[name].spec
    assert spec.summary
    assert spec.reference
    assert spec.version >= 1
    assert {**spec.defaults, **spec.search_space[0]} == spec.defaults, "first point: the defaults"
    assert len({str(sorted(point.items())) for point in spec.search_space}) == len(
        spec.search_space
    )
    for point in spec.search_space:
        assert spec.mistakes(point) == []
    assert spec.mistakes(spec.defaults) == []
    for parameter in spec.parameters:
        assert parameter.help


@every_method
def test_it_learns(problem):
    method, parameters, train, test, context = problem
    predictions = method.fit(parameters, train, None, context).predict(test.inputs)
    predictions.check(len(test), context.classes)
    accuracy = (predictions.classes == test.targets).mean()
    majority = np.bincount(test.targets).max() / len(test)
    assert accuracy > majority + 0.15


@every_method
def test_order_and_company_of_test_inputs_change_nothing(problem):
    method, parameters, train, test, context = problem
    fitted = method.fit(parameters, train, None, context)
    some = test.take(np.arange(30))
    together = fitted.predict(some.inputs).probabilities
    turned = np.random.default_rng(1).permutation(30)
    permuted = fitted.predict([some.inputs[i] for i in turned]).probabilities
    alone = np.concatenate([fitted.predict([x]).probabilities for x in some.inputs])
    np.testing.assert_allclose(permuted, together[turned], atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)


@every_method
def test_the_same_seed_gives_the_same_predictions(problem):
    method, parameters, train, test, context = problem
    first = method.fit(parameters, train, None, context).predict(test.inputs).probabilities
    np.random.seed(99)  # noqa: NPY002 -- the state of the world must not matter
    second = method.fit(parameters, train, None, context).predict(test.inputs).probabilities
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", METHODS)
def test_deterministic_means_the_seed_does_not_matter(name, splits, context):
    method = registry()[name]
    modality = Modality.TEXT if Modality.IMAGE not in method.spec.modalities else Modality.IMAGE
    train, test, names = splits[modality]
    some = test.take(np.arange(50))
    found = [
        method.fit(method.spec.defaults, train, None, context(train, len(names), seed))
        .predict(some.inputs)
        .probabilities
        for seed in (0, 1)
    ]
    assert np.array_equal(*found) == method.spec.deterministic


@every_method
def test_a_class_missing_from_training_gets_no_probability(problem):
    method, parameters, train, test, context = problem
    without = train.take(np.flatnonzero(train.targets != 1))
    predictions = method.fit(parameters, without, None, context).predict(test.inputs)
    predictions.check(len(test), context.classes)
    assert predictions.probabilities[:, 1].max() == 0.0


@every_method
def test_one_class_alone_is_always_predicted(problem):
    method, parameters, train, test, context = problem
    alone = train.take(np.flatnonzero(train.targets == 2))
    predictions = method.fit(parameters, alone, None, context).predict(test.inputs)
    predictions.check(len(test), context.classes)
    assert set(predictions.classes) == {2}


@every_method
def test_one_label_a_class_is_enough(problem):
    method, parameters, train, test, context = problem
    _, first = np.unique(train.targets, return_index=True)
    predictions = method.fit(parameters, train.take(first), None, context).predict(test.inputs)
    predictions.check(len(test), context.classes)


@every_method
def test_every_point_of_the_search_space_works(problem):
    method, _, train, test, context = problem
    some = test.take(np.arange(20))
    for point in method.spec.points({}, 100):
        method.fit(point, train, None, context).predict(some.inputs).check(20, context.classes)


@every_method
def test_training_data_is_left_as_it_was(problem):
    method, parameters, train, _, context = problem
    inputs, targets = list(train.inputs), train.targets.copy()
    method.fit(parameters, Split(inputs, train.targets, train.groups), None, context)
    assert all(a is b for a, b in zip(inputs, train.inputs, strict=True))
    np.testing.assert_array_equal(train.targets, targets)


def test_a_method_without_a_backbone_asks_for_none():
    assert registry()["tfidf"].spec.needs is Needs.INPUTS


def jobs_of(method, *trains) -> list[Job]:
    """Every combination of the choices there are, on each of the splits."""
    several = [parameter for parameter in method.spec.parameters if parameter.choices]
    return [
        Job({**method.spec.defaults, **dict(zip([p.name for p in several], point, strict=True))}, t)
        for point in itertools.product(*(parameter.choices for parameter in several))
        for t in trains
    ]


class Refusing:
    """A context that has no features of the inputs of `refused`."""

    def __init__(self, context, refused):
        self.inner, self.refused = context, refused

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def features(self, inputs):
        if inputs is self.refused.inputs:
            raise DivergedError("refused")
        return self.inner.features(inputs)


@every_batching_method
def test_many_fits_are_what_each_is_alone(problem):
    method, _, train, test, context = problem
    some = test.take(np.arange(100))
    without = train.take(np.flatnonzero(train.targets != 1))
    alone = train.take(np.flatnonzero(train.targets == 2))
    jobs = jobs_of(method, train, without, alone)
    assert any(method.batches(job.parameters) for job in jobs)
    for job, fitted in zip(jobs, method.fit_many(jobs, context), strict=True):
        single = method.fit(job.parameters, job.train, job.validation, context)
        expected, found = (fit.predict(some.inputs) for fit in (single, fitted))
        assert (found.classes == expected.classes).mean() >= 0.97
        assert np.abs(found.probabilities - expected.probabilities).mean() < 2e-3


@every_batching_method
def test_a_failing_fit_does_not_spoil_the_others(problem):
    method, _, train, test, context = problem
    bad = train.take(np.arange(len(train)))
    jobs = jobs_of(method, train, bad)
    refusing = Refusing(context, bad)
    for job, answer in zip(jobs, method.fit_many(jobs, refusing), strict=True):
        assert isinstance(answer, CellError) == (job.train is bad)
        if job.train is train:
            answer.predict(test.inputs).check(len(test), context.classes)
    with pytest.raises(DivergedError, match="refused"):
        method.fit(method.spec.defaults, bad, None, refusing)


def test_the_probe_batches():
    assert "probe" in MANY
