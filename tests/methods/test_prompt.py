"""A language model that is shown examples: how many there is room for."""

from __future__ import annotations

import numpy as np
import pytest

from bench.core.method import Needs
from bench.core.task import Modality
from bench.methods import registry
from bench.methods.prompt import Shown, divisors, endings_of

METHOD = registry()["prompt"]


@pytest.fixture
def context(kit):
    return kit.context(Modality.TEXT, Needs.LANGUAGE)


def fit(kit, context, **given):
    train, test, _ = kit.splits[Modality.TEXT]
    return METHOD.fit({**METHOD.spec.defaults, **given}, train, None, context), test.inputs[:4]


def test_whole_examples_are_left_out_where_there_is_no_room(kit, context):
    fitted, texts = fit(kit, context, examples=40, instruction="Who is asked?")
    model, room = context.language_model(), context.language_model().room(endings_of(context))
    fitted.predict(texts)
    told = fitted.facts()
    assert 0 < told["examples_shown"] < 40
    assert told["prompts_cut"] == 1.0
    asked = [fitted.shown.fitted(f"Text: {text}\nClass:", model, room) for text in texts]
    assert np.mean([one.examples for one in asked]) == told["examples_shown"]
    for one in asked:
        assert one.prompt.startswith("Who is asked?\n\nText: ")
        assert one.prompt.count("Class:") == one.examples + 1
        assert model.tokens(one.prompt) <= room
        more = fitted.shown.before(one.prompt.split("\n\n")[-1], one.examples + 1)
        assert model.tokens(more) > room
    few, _ = fit(kit, context, examples=2)
    few.predict(texts)
    assert few.facts() == {"examples_shown": 2.0, "prompts_cut": 0.0}


def test_a_text_that_is_too_long_by_itself_is_counted_as_cut(kit, context):
    model, room = context.language_model(), context.language_model().room(endings_of(context))
    asked = Shown("", ("an example",)).fitted("refund " * 600, model, room)
    assert (asked.examples, asked.cut) == (0, True)
    assert np.isfinite(model.likelihoods([asked.prompt], endings_of(context))).all()


def test_a_name_has_its_letters_and_not_the_space_before_it():
    assert divisors((" up", " card arrival"), by_length=True).tolist() == [2.0, 12.0]
    assert divisors((" up", " card arrival"), by_length=False).tolist() == [1.0, 1.0]
