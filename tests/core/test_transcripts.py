"""Transcripts against references, as jiwer has it, and their per-item values."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.predictions import TextPredictions
from bench.core.scoring import all_scores
from bench.core.transcripts import accuracy_values, edits, normal

WORDS = st.lists(st.sampled_from(["go", "stop", "left", "right", "one"]), min_size=1, max_size=6)
SENTENCES = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12)


@given(SENTENCES)
def test_rates_are_those_of_jiwer(pairs):
    references, said = zip(*((" ".join(one), " ".join(other)) for one, other in pairs), strict=True)
    found = edits(said, references)
    assert found.word_errors.sum() / found.words.sum() == pytest.approx(
        jiwer.wer(list(references), list(said))
    )
    assert found.char_errors.sum() / found.chars.sum() == pytest.approx(
        jiwer.cer(list(references), list(said))
    )


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=2, max_size=30))
def test_the_mean_of_the_values_is_the_accuracy(pairs):
    errors, sizes = np.array(pairs).T
    values = accuracy_values(errors, sizes)
    assert values.mean() == pytest.approx(1 - errors.sum() / sizes.sum())


def test_values_tell_the_variance_of_the_ratio():
    """Against the bootstrap over items."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 12, 400)
    errors = rng.binomial(sizes, 0.2)
    values = accuracy_values(errors, sizes)
    draws = rng.integers(0, 400, (2_000, 400))
    boot = 1 - errors[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    assert values.std() / np.sqrt(400) == pytest.approx(boot.std(), rel=0.1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" Seven.", "seven"),
        (" 7.", "seven"),
        ("- See you later!", "see you later"),
        ("[BLANK_AUDIO]", ""),
        ("don't (laughs) 42", "don't 42"),
        ("", ""),
    ],
)
def test_both_sides_are_made_alike(text, wanted):
    assert normal(text) == wanted


def test_more_said_than_there_was_is_below_zero():
    scores = all_scores(TextPredictions(("a b c d", "two")), np.array([0, 1]), ("one", "two"))
    assert scores["wer"] == pytest.approx(2.0)
    assert scores["word_accuracy"] == pytest.approx(-1.0)


def test_as_many_of_both():
    with pytest.raises(ValueError, match="2 transcripts of 1 references"):
        edits(["a", "b"], ["a"])
