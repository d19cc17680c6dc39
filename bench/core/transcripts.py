"""Transcripts against references: how many words and characters would have to be changed.

Both sides are made alike first (`normal`). Error rates are errors by reference words (characters)
over all items (WER, CER); as accuracies, 1 - WER and 1 - CER, they are ranked like any other score,
and fall below 0 where more is said than there was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_OTHER = re.compile(r"[^\w\s']|_")

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Edits:
    """By item `(n,)`: errors (substituted, left out, put in) and what the reference has."""

    word_errors: Counts
    words: Counts
    char_errors: Counts
    chars: Counts


def normal(text: str) -> str:
    """Lower case, without punctuation and [remarks]; single digits as English words."""
    plain = _OTHER.sub(" ", _BRACKETS.sub(" ", text.lower()))
    words = [_DIGITS[int(word)] if word in set("0123456789") else word for word in plain.split()]
    return " ".join(words)


def edits(said: Sequence[str], references: Sequence[str]) -> Edits:
    """Compare transcripts with references, item by item.

    Raises:
        ValueError: if there are not as many of both.
    """
    if len(said) != len(references):
        raise ValueError(f"{len(said)} transcripts of {len(references)} references")
    pairs = [(normal(one), normal(other)) for one, other in zip(said, references, strict=True)]
    words = [(one.split(), other.split()) for one, other in pairs]
    return Edits(
        np.array([distance(one, other) for one, other in words], dtype=np.int64),
        np.array([len(other) for _, other in words], dtype=np.int64),
        np.array([distance(one, other) for one, other in pairs], dtype=np.int64),
        np.array([len(other) for _, other in pairs], dtype=np.int64),
    )


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """The least number of parts to change, leave out or put in (Levenshtein)."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(one, other))


def accuracy_values(errors: Counts, sizes: Counts) -> NDArray[np.float64]:
    """Per-item values `(n,)` whose mean is 1 - errors / sizes, with each item's influence on that
    ratio (the infinitesimal jackknife, as `bench.core.metrics`)."""
    total = max(float(sizes.sum()), 1.0)
    rate = float(errors.sum()) / total
    influence = (errors - rate * sizes) * (len(sizes) / total)
    values: NDArray[np.float64] = 1.0 - rate - influence
    return values
