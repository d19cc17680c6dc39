"""What every method keeps to; a new one is found here by itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from bench.core.errors import CellError, DivergedError, NotApplicableError
from bench.core.identity import item_digest
from bench.core.method import Job, ManyMethod, Method, Needs, Parameters, Restores, Sized
from bench.core.task import Modality, Split, TaskKind
from bench.methods import registry
from bench.runner.execute import CellContext
from tests.trainable import Kit

METHODS = list(registry())
MANY = [name for name in METHODS if isinstance(registry()[name], ManyMethod)]
MEMBERS = {
    Modality.IMAGE: ("probe", "centroid"),
    Modality.TEXT: ("probe", "tfidf"),
    Modality.AUDIO: ("probe", "centroid"),
}
"""What methods that build on others are given; a teacher is the first."""

DESCENT = {"least_steps": 1, "epochs": 1, "batch_size": 64, "learning_rate": 3e-3}
QUICK: dict[str, dict[str, int | float]] = {
    "finetune": DESCENT,
    "lora": DESCENT,
    "probe-then-finetune": DESCENT,
    "distill": {**DESCENT, "transfer": 40},
    "setfit": {"most_pairs": 64, "learning_rate": 1e-3},
    "reinforce": {"feedbacks": 400},
    "reinforce-lora": {"feedbacks": 160, "batch_size": 32},
    "head-sgd": {"epochs": 5},
    "gate": {"steps": 20},
    "prompt": {"examples": 4},
    "prompt-lora": {"least_steps": 1, "epochs": 1, "batch_size": 32},
}
"""A few steps, for what holds however long a method learns."""
LONGER: dict[str, dict[str, int | float]] = {
    **{name: {"least_steps": 80, "batch_size": 32} for name in ("finetune", "lora", "distill")},
    "probe-then-finetune": {"least_steps": 40, "batch_size": 32},
    "setfit": {"most_pairs": 1000, "learning_rate": 3e-3},
    "reinforce": {"feedbacks": 10_000},
    "reinforce-lora": {"feedbacks": 3000, "batch_size": 16},
    "head-sgd": {"epochs": 100},
    "gate": {"steps": 300},
}
"""Enough to learn something with a backbone that was never trained."""
OF_TEXTS = {("reinforce-lora", Modality.TEXT): {"feedbacks": 6000}}
"""Where the other modalities need less."""


@dataclass(frozen=True)
class Problem:
    """A method on a task of one of its modalities."""

    method: Method
    modality: Modality
    parameters: Parameters
    train: Split
    test: Split
    kit: Kit

    def at(self, train: Split, seed: int = 0) -> CellContext:
        """The context of a fit on `train`: its members have learned from the same."""
        names = MEMBERS[self.modality][: self.method.spec.members[1]]
        names = ("probe", "centroid") if self.method.spec.name == "gate" else names
        members = [self.kit.member(name, self.modality, train) for name in names]
        pool = self.kit.splits[self.modality][0]
        return self.kit.context(
            self.modality,
            self.method.spec.needs,
            seed=seed,
            members=members,
            unlabelled=pool.inputs,
        )

    def fit(self, train: Split | None = None, seed: int = 0, validation: Split | None = None):
        train = self.train if train is None else train
        return self.method.fit(self.parameters, train, validation, self.at(train, seed))

    @property
    def fitted(self):
        """The fit of the first seed on all of `train`, for every test that only looks at one."""
        key = self.method.spec.name, self.modality
        if key not in self.kit.fitted:
            self.kit.fitted[key] = self.fit()
        return self.kit.fitted[key]

    @property
    def classes(self) -> int:
        return len(self.kit.splits[self.modality][2])

    def of_class(self, c: int) -> Split:
        return self.train.take(np.flatnonzero(self.train.targets == c))


@pytest.fixture
def problem(request, kit):
    name, modality = request.param
    method = registry()[name]
    train, test, _ = kit.splits[modality]
    quick = {**method.spec.defaults, **QUICK.get(name, {})}
    return Problem(method, modality, quick, train, test, kit)


def pairs(which):
    """See `over`."""
    for number, name in enumerate(METHODS):
        spec = registry()[name].spec
        of = [m for m in (Modality.TEXT, Modality.IMAGE, Modality.AUDIO) if m in spec.modalities]
        if TaskKind.CLASSIFICATION not in spec.kinds or not which(spec):
            continue
        for modality in of:
            later = spec.needs is Needs.MODULE and modality is not of[number % len(of)]
            marks = pytest.mark.slow if later else ()
            yield pytest.param((name, modality), id=f"{name}-{modality}", marks=marks)


def over(which):
    """Every method that `which` holds for, on every modality that there is a task of.

    Those that train a network, the slowest, are on one each, the methods on them in turn, and on
    the others in `make test-slow`.
    """
    return pytest.mark.parametrize("problem", list(pairs(which)), indirect=True)


def learns_a_head(spec) -> bool:
    """Not those without labels, and not those that only show some to a language model."""
    return spec.labels and spec.needs is not Needs.LANGUAGE


every_method = over(lambda spec: True)
every_learning_method = over(learns_a_head)
every_training_method = over(lambda spec: spec.needs is Needs.MODULE)
every_method_without_labels = over(lambda spec: not spec.labels)
every_batching_method = over(lambda spec: spec.name in MANY)
every_restoring_method = over(lambda spec: isinstance(registry()[spec.name], Restores))


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
        for other, values in parameter.where.items():
            assert [spec.mistakes({other: value}) for value in values] == [[]] * len(values)


@every_learning_method
def test_it_learns(problem):
    name = problem.method.spec.name
    longer = {**LONGER.get(name, {}), **OF_TEXTS.get((name, problem.modality), {})}
    parameters = {**problem.parameters, **longer}
    context = problem.at(problem.train)
    fitted = problem.method.fit(parameters, problem.train, None, context)
    predictions = fitted.predict(problem.test.inputs)
    predictions.check(len(problem.test), problem.classes)
    targets = problem.test.targets
    accuracy = (predictions.classes == targets).mean()
    assert accuracy > np.bincount(targets).max() / len(targets) + 0.1


@every_method_without_labels
def test_no_label_means_that_labels_change_nothing(problem):
    first, second = problem.fit(), problem.fit(problem.of_class(1))
    for fitted in (first, second):
        fitted.predict(problem.test.inputs).check(len(problem.test), problem.classes)
    np.testing.assert_array_equal(
        first.predict(problem.test.inputs).probabilities,
        second.predict(problem.test.inputs).probabilities,
    )


@every_method
def test_order_and_company_of_test_inputs_change_nothing(problem):
    fitted, some = problem.fitted, problem.test.take(np.arange(30))
    together = fitted.predict(some.inputs).probabilities
    turned = np.random.default_rng(1).permutation(30)
    permuted = fitted.predict([some.inputs[i] for i in turned]).probabilities
    alone = np.concatenate([fitted.predict([x]).probabilities for x in some.inputs])
    np.testing.assert_allclose(permuted, together[turned], atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)


@every_method
def test_the_same_seed_gives_the_same_predictions(problem):
    first = problem.fitted.predict(problem.test.inputs).probabilities
    np.random.seed(99)  # noqa: NPY002 -- the state of the world must not matter
    torch.manual_seed(99)
    second = problem.fit().predict(problem.test.inputs).probabilities
    np.testing.assert_array_equal(first, second)


@every_method
def test_deterministic_means_the_seed_does_not_matter(problem):
    some = problem.test.take(np.arange(50))
    fits = problem.fitted, problem.fit(seed=1)
    found = [fitted.predict(some.inputs).probabilities for fitted in fits]
    assert np.array_equal(*found) == problem.method.spec.deterministic


@every_method
def test_labels_to_choose_by_are_not_learned_from(problem):
    """A validation split may be there; where nothing is stopped early, its labels do nothing."""
    held = np.arange(0, len(problem.train), 5)
    train = problem.train.take(np.setdiff1d(np.arange(len(problem.train)), held))
    held = problem.train.take(held)
    other = replace(held, targets=np.roll(held.targets, 1))
    first, second = (problem.fit(train, validation=split) for split in (held, other))
    np.testing.assert_array_equal(
        first.predict(held.inputs).probabilities, second.predict(held.inputs).probabilities
    )


@every_learning_method
def test_a_class_missing_from_training_gets_no_probability(problem):
    without = problem.train.take(np.flatnonzero(problem.train.targets != 1))
    predictions = problem.fit(without).predict(problem.test.inputs)
    predictions.check(len(problem.test), problem.classes)
    assert predictions.probabilities[:, 1].max() == 0.0


@every_learning_method
def test_one_class_alone_is_always_predicted(problem):
    predictions = problem.fit(problem.of_class(2)).predict(problem.test.inputs)
    predictions.check(len(problem.test), problem.classes)
    assert set(predictions.classes) == {2}


@every_method
def test_one_label_a_class_is_enough(problem):
    _, first = np.unique(problem.train.targets, return_index=True)
    predictions = problem.fit(problem.train.take(first)).predict(problem.test.inputs)
    predictions.check(len(problem.test), problem.classes)


@every_method
def test_every_point_of_the_search_space_works(problem):
    few = np.concatenate([
        np.flatnonzero(problem.train.targets == c)[:8] for c in range(problem.classes)
    ])  # fmt: skip
    train, some = problem.train.take(few), problem.test.take(np.arange(20))
    context = problem.at(train)
    pinned = QUICK.get(problem.method.spec.name, {})
    pinned = {key: value for key, value in pinned.items() if key != "learning_rate"}
    for point in problem.method.spec.points(pinned, 100):
        fitted = problem.method.fit(point, train, None, context)
        fitted.predict(some.inputs).check(20, context.classes)


@every_method
def test_training_data_is_left_as_it_was(problem):
    train = problem.train
    inputs, targets = list(train.inputs), train.targets.copy()
    before = [item_digest(item) for item in inputs]
    problem.fit(Split(inputs, train.targets, train.groups))
    assert all(a is b for a, b in zip(inputs, train.inputs, strict=True))
    assert [item_digest(item) for item in inputs] == before
    np.testing.assert_array_equal(train.targets, targets)


@every_training_method
def test_it_tells_what_it_trained_and_what_must_be_shipped(problem):
    fitted = problem.fitted
    assert isinstance(fitted, Sized)
    assert fitted.size().trained > 0
    assert fitted.size().shipped > 0
    assert problem.method.passes(problem.parameters, len(problem.train)) > 0
    assert problem.method.at_once(problem.parameters) >= 1


class Spoiled:
    """A context whose backbone has a weight that is no number."""

    def __init__(self, context):
        self.inner = context

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def trainable(self):
        found = self.inner.trainable()
        weight = max(found.network.parameters(), key=lambda p: p.numel())
        with torch.no_grad():
            weight.fill_(float("nan"))
        return found


@every_training_method
def test_a_network_that_diverged_is_no_score(problem):
    context = Spoiled(problem.at(problem.train))
    with pytest.raises(DivergedError):
        problem.method.fit(problem.parameters, problem.train, None, context)


@every_training_method
def test_the_backbone_itself_is_left_as_it_was(problem):
    """The next cell finds the pretrained one."""
    context = problem.at(problem.train)
    some = problem.train.inputs[:1]

    def now():
        trainable = context.trainable()
        batch = trainable.collate(trainable.prepare(some), np.zeros(1, dtype=np.int64))
        trainable.network.eval()
        return trainable.network(batch).detach().numpy()

    before = now()
    problem.method.fit(problem.parameters, problem.train, None, context)
    np.testing.assert_array_equal(now(), before)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if registry()[name].spec.needs is Needs.MODULE]
)
def test_a_backbone_without_weights_cannot_be_trained(name, kit):
    method = registry()[name]
    train = kit.splits[Modality.IMAGE][0]
    members = [kit.member("centroid", Modality.IMAGE, train)][: method.spec.members[1]]
    context = kit.context(Modality.IMAGE, Needs.FEATURES, members=members)  # raw pixels
    parameters = {**method.spec.defaults, **QUICK.get(name, {})}
    with pytest.raises(NotApplicableError):
        method.fit(parameters, train, None, context)
    if not method.spec.members[1]:
        reasons = {s.backbone: s.reason for s in kit.planned([{"name": name}]).skipped}
        assert reasons["raw-pixels"] in {
            "raw-pixels cannot be trained",
            "the backbone reads image, not text",
            "the backbone reads image, not audio",
        }


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in METHODS
        if Modality.TEXT in (read := registry()[name].spec.modalities)
        and Modality.IMAGE not in read
    ],
)
def test_a_method_for_texts_is_not_given_images(name, kit):
    plan = kit.planned([{"name": name}])
    assert {cell.task.name for cell in plan.cells} == {"tickets"}
    reasons = [s.reason for s in plan.skipped if s.task == "digits" and s.method == name]
    assert reasons
    for reason in reasons:
        assert "works on text, not on image" in reason or "is no language model" in reason


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


@every_restoring_method
def test_a_fit_that_was_kept_and_restored_predicts_the_same(problem, tmp_path):
    fitted = problem.fitted
    path = tmp_path / "fit.safetensors"
    save_file({name: np.ascontiguousarray(a) for name, a in fitted.state().items()}, path)
    context = problem.at(problem.train, seed=7)  # another start must not matter
    again = problem.method.restore(load_file(path), problem.parameters, context)
    some = problem.test.inputs[:30]
    expected, found = (fit.predict(some).probabilities for fit in (fitted, again))
    np.testing.assert_allclose(found, expected, atol=1e-5)  # a softmax in float32, or in float64
    if isinstance(fitted, Sized):
        assert again.size().shipped == fitted.size().shipped


@every_batching_method
def test_many_fits_are_what_each_is_alone(problem):
    method, train, context = problem.method, problem.train, problem.at(problem.train)
    some = problem.test.take(np.arange(60))
    without = train.take(np.flatnonzero(train.targets != 1))
    jobs = jobs_of(method, train, without, problem.of_class(2))
    assert any(method.batches(job.parameters) for job in jobs)
    for job, fitted in zip(jobs, method.fit_many(jobs, context), strict=True):
        single = method.fit(job.parameters, job.train, job.validation, context)
        expected, found = (fit.predict(some.inputs) for fit in (single, fitted))
        assert (found.classes == expected.classes).mean() >= 0.97
        assert np.abs(found.probabilities - expected.probabilities).mean() < 2e-3


@every_batching_method
def test_a_failing_fit_does_not_spoil_the_others(problem):
    method, train, context = problem.method, problem.train, problem.at(problem.train)
    bad = train.take(np.arange(len(train)))
    jobs = jobs_of(method, train, bad)
    refusing = Refusing(context, bad)
    for job, answer in zip(jobs, method.fit_many(jobs, refusing), strict=True):
        assert isinstance(answer, CellError) == (job.train is bad)
        if job.train is train:
            answer.predict(problem.test.inputs).check(len(problem.test), context.classes)
    with pytest.raises(DivergedError, match="refused"):
        method.fit(method.spec.defaults, bad, None, refusing)


def test_the_probe_batches():
    assert "probe" in MANY
