"""A language model trained to say the classes' names."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from bench.core.errors import DivergedError
from bench.core.method import Needs
from bench.core.task import Modality
from bench.methods import registry
from bench.methods.prompt import endings_of, in_turn
from bench.methods.prompt_lora import asked_of

METHOD = registry()["prompt-lora"]
QUICK = {"least_steps": 1, "epochs": 1, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture
def context(kit):
    return kit.context(Modality.TEXT, Needs.LANGUAGE)


@pytest.fixture
def train(kit):
    return kit.splits[Modality.TEXT][0]


def fit(context, train, **given):
    return METHOD.fit({**METHOD.spec.defaults, **QUICK, **given}, train, None, context)


def nll(fitted, split) -> float:
    rows = fitted.predict(split.inputs).probabilities
    return float(-np.log(rows[np.arange(len(split)), split.targets]).mean())


@pytest.fixture
def one_thread():
    """Products this small cost more among several, the most where others want the cores too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def untrained_and_trained(context, train, normalise, **given):
    prompt = registry()["prompt"]
    given_both = {"normalise": normalise, "examples": 0}
    untrained = prompt.fit({**prompt.spec.defaults, **given_both}, train, None, context)
    return untrained, fit(context, train, **given_both, **given)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_training_improves_what_the_untrained_model_says(kit, context, train):
    more = {"least_steps": 100, "batch_size": 4, "learning_rate": 0.01, "adapter_dropout": 0.0}
    untrained, trained = untrained_and_trained(context, train, "sum", **more)
    assert nll(trained, train) < np.log(4) - 0.1 < nll(untrained, train)  # better than knowing none
    right = [
        (f.predict(train.inputs).classes == train.targets).mean() for f in (untrained, trained)
    ]
    assert right[1] > right[0] + 0.1
    test = kit.splits[Modality.TEXT][1]
    assert nll(trained, test) < nll(untrained, test)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_by_likelihoods_a_letter_too(context, train):
    more = {"least_steps": 10, "batch_size": 8, "learning_rate": 0.03}
    untrained, trained = untrained_and_trained(context, train, "length", **more)
    assert nll(trained, train) < nll(untrained, train) - 0.5


def test_before_a_step_it_is_the_method_prompt(context, train):
    """Adapters begin as nothing: with a rate of 0 they stay that."""
    prompt = registry()["prompt"]
    plain = prompt.fit({**prompt.spec.defaults, "examples": 4}, train, None, context)
    adapted = fit(context, train, examples=4, learning_rate=0.0)
    some = train.inputs[:10]
    np.testing.assert_allclose(
        adapted.predict(some).probabilities, plain.predict(some).probabilities, atol=1e-6
    )


def test_what_it_learns_by_is_what_it_predicts_from(context, train):
    model = context.language_model()
    prompts, endings = [f"Text: {text}\nClass:" for text in train.inputs[:3]], endings_of(context)
    scores = model.scores(prompts, endings)
    assert scores.requires_grad
    expected = model.likelihoods(prompts, endings)
    np.testing.assert_allclose(scores.detach().numpy(), expected, atol=1e-6)


def test_the_shared_model_is_left_as_it_was(context, train):
    shared = context.language_model()
    before = copy.deepcopy(shared.network.state_dict())
    fit(context, train, examples=0)
    after = context.language_model()
    assert after is shared
    assert after.network.state_dict().keys() == before.keys()
    for name, value in before.items():
        assert torch.equal(after.network.state_dict()[name], value), name


def test_an_item_never_stands_in_its_own_context(context, train):
    model, endings = context.language_model(), endings_of(context)
    parameters = {**METHOD.spec.defaults, "examples": 3}
    order = in_turn(train.targets, 4, 0)
    for text, one in zip(
        train.inputs, asked_of(model, parameters, train, order, endings), strict=True
    ):
        assert one.prompt.count("Class:") == 4 == one.examples + 1
        assert one.prompt.count(text) == 1
        assert not one.cut
    few = train.take(np.array(order[:2]))
    asked = asked_of(model, parameters, few, [0, 1], endings)  # there are no more
    assert [one.prompt.count("Class:") for one in asked] == [2, 2]


def test_sizes_are_those_of_the_adapters_and_the_context(context, train):
    fitted = fit(context, train, rank=4, examples=2)
    told, before = fitted.size(), len(fitted.inner.shown.before("", 2).encode())
    assert told.trained == 2 * 4 * ((32 + 96) + (32 + 32) + 2 * (32 + 128))  # GPT-2's four layers
    assert told.shipped == 4 * told.trained + before
    assert fitted.facts() == {"epochs": 1, "training_prompts_cut": 0.0}
    assert METHOD.passes({**METHOD.spec.defaults, **QUICK, "examples": 2}, 80) == 240


def test_it_stops_where_validation_does_not_get_better(context, train):
    fitted = fit(context, train, epochs=30, patience=1, learning_rate=0.0, warmup=0.0)
    assert fitted.facts()["epochs"] == 2


def test_a_model_that_diverged_is_no_score(context, train):
    shared = context.language_model()
    spoiled = shared.fresh()
    with torch.no_grad():
        spoiled.network.transformer.ln_f.weight.fill_(float("nan"))

    class Spoiled:
        def __getattr__(self, name):
            return getattr(context, name)

        def language_model(self, *, fresh=False):
            return spoiled

    with pytest.raises(DivergedError):
        fit(Spoiled(), train)


def test_half_precision_is_trained_in_float32(kit, train):
    context = kit.context(Modality.TEXT, Needs.LANGUAGE, mixed="bf16")
    fitted = fit(context, train)
    assert {p.dtype for p in fitted.inner.model.network.parameters()} == {torch.float32}
    fitted.predict(train.inputs[:3]).check(3, 4)


def test_the_parameters_are_the_words_of_prompt_and_lora():
    known = {
        p.name: dataclasses.replace(p, default=0, where={})
        for name in ("prompt", "lora")
        for p in registry()[name].spec.parameters
    }
    for parameter in METHOD.spec.parameters:
        assert dataclasses.replace(parameter, default=0) == known[parameter.name]
