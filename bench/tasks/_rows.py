"""From columns as they were read to labelled rows: what is missing, damaged or no class."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError, did_you_mean
from bench.core.transcripts import normal
from bench.tasks._checks import listed
from bench.tasks._tables import Table

SPLIT_WORDS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""What splits are called in a column, a folder or on the hub."""

SURROGATES = re.compile("[\ud800-\udfff]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
INTEGER = re.compile(r"[+-]?\d+")
MISSING_WORDS = 3  # offenders that a message about a column quotes


@dataclass(frozen=True, slots=True)
class Texts:
    """Cleaned texts: lone surrogates, which no tokeniser takes, have become U+FFFD."""

    texts: list[str]
    notes: Mapping[str, int]


def clean_texts(values: Sequence[Any], where: str, name: str, key: str = "input") -> Texts:
    """Check that all values are texts, and mend what no encoder can write.

    Empty texts stay: a classifier meets them in use, too.  They are counted.

    Raises:
        DataError: if a value is no text.
    """
    texts = []
    counts: Counter[str] = Counter()
    for value in values:
        if not isinstance(value, str):
            raise DataError(
                f"{where}: column {name!r} holds {_shown(value)} ({type(value).__name__}) where a "
                f"text is wanted; choose another `{key}`"
            )
        text = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value)
        counts["texts_with_surrogates_mended"] += text != value
        counts["texts_empty"] += not text.strip()
        texts.append(text)
    return Texts(texts, {key: count for key, count in counts.items() if count})


def missing(value: Any) -> bool:
    """Whether a value of a table stands for "not known": None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def label_words(values: Sequence[Any], where: str, name: str) -> list[str | None]:
    """Labels as words; None where there is none (an empty cell, too).

    Whole numbers lose their point (1.0 is 1: integers with gaps are often stored so).

    Raises:
        DataError: if they look like a regression target, or are lists or the like.
    """
    words: list[str | None] = []
    for value in values:
        if missing(value) or (isinstance(value, str) and not value.strip()):
            words.append(None)
        elif isinstance(value, str | bool | int | float):
            words.append(SURROGATES.sub("\N{REPLACEMENT CHARACTER}", str(value).strip()))
        else:
            raise DataError(
                f"{where}: column {name!r} holds {_shown(value)} ({type(value).__name__}), not one "
                "class per row"
            )
    present = [word for word in words if word is not None]
    if not all(NUMBER.fullmatch(word) for word in present):
        return words
    if all(INTEGER.fullmatch(word) for word in present):
        return words
    broken = sorted({word for word in present if not float(word).is_integer()})
    if broken:
        raise DataError(
            f"{where}: labels in column {name!r} are numbers with fractions "
            f"({listed(broken[:MISSING_WORDS])}): that looks like a regression target, and "
            "only classes are handled; choose another `label`, or write the classes as words"
        )
    return [None if word is None else str(int(float(word))) for word in words]


def transcripts(values: Sequence[Any], where: str, name: str) -> list[str | None]:
    """What is said, as it is written; None where nobody wrote it down.

    Raises:
        DataError: if one is no text, or has no word in it: errors are counted per word.
    """
    texts: list[str | None] = []
    wordless = []
    for row, value in enumerate(values, start=1):
        if missing(value):
            texts.append(None)
            continue
        if not isinstance(value, str):
            raise DataError(
                f"{where}: column {name!r} holds {_shown(value)} ({type(value).__name__}) where a "
                "transcript is wanted; choose another `transcript`"
            )
        texts.append(SURROGATES.sub("\N{REPLACEMENT CHARACTER}", value))
        if not normal(value):
            wordless.append(row)
    if wordless:
        more = f" and in {len(wordless) - 1} more" if len(wordless) > 1 else ""
        raise DataError(
            f"{where}: column {name!r} has no words in row {wordless[0]}{more} "
            f"({_shown(values[wordless[0] - 1])}), so that nothing can be counted there; "
            "write down what is said, or take such rows out"
        )
    return texts


def readable(classes: Sequence[str], names: Mapping[str, str], where: str) -> tuple[str, ...]:
    """The classes under the names that the suite gives them.

    Raises:
        DataError: if it names a class that is not there, or two alike.
    """
    for label in names:
        if label not in classes:
            raise DataError(
                f"{where}: class_names has {label!r}, which is no label in the data"
                f"{did_you_mean(label, classes)}"
            )
    given = tuple(names.get(label, label) for label in classes)
    doubles = [name for name, count in Counter(given).items() if count > 1]
    if doubles:
        raise DataError(f"{where}: two classes would be named {doubles[0]!r}")
    return given


def by_split_column(table: Table, name: str) -> dict[str, Table]:
    """Divide a table by a column of split names.

    Raises:
        DataError: for any other value, or without a row of train or test.
    """
    rows: dict[str, list[int]] = {}
    for i, value in enumerate(table.column(name, "split")):
        word = str(value).strip().lower()
        if word not in SPLIT_WORDS:
            raise DataError(
                f"{table.where}: split column {name!r} holds {_shown(value)}; it may hold train, "
                "test and validation (or dev)"
            )
        rows.setdefault(SPLIT_WORDS[word], []).append(i)
    for which in ("train", "test"):
        if which not in rows:
            raise DataError(f"{table.where}: split column {name!r} has no row of {which!r}")
    return {which: table.take(np.array(found, dtype=np.int64)) for which, found in rows.items()}


def group_ids(values: Sequence[Any], where: str, name: str) -> NDArray[np.int64]:
    """Group ids `(n,)`: positions of the values, as words, in sorted order.

    Raises:
        DataError: if one is missing.
    """
    if any(missing(value) or value == "" for value in values):
        raise DataError(f"{where}: group column {name!r} has rows without a value")
    ids: NDArray[np.int64]
    _, ids = np.unique(
        np.array([str(value) for value in values], dtype=object), return_inverse=True
    )
    return ids.astype(np.int64)


def moments(values: Sequence[Any], where: str, name: str) -> NDArray[np.float64]:
    """Times `(n,)` as numbers that sort: numbers as they are, dates as seconds since 1970 (UTC).

    Dates are ISO 8601 alone: 03/04/2026 has two meanings, and text does not sort by time.

    Raises:
        DataError: if one is missing or neither, or some have a time zone and others not.
    """
    found = [_moment(value) for value in values]
    bad = [value for value, moment in zip(values, found, strict=True) if moment is None]
    if bad:
        raise DataError(
            f"{where}: time column {name!r} holds {_shown(bad[0])}; "
            "write dates as 2026-01-31 or 2026-01-31T12:00:00, or as numbers"
        )
    kinds = {kind for kind, _ in filter(None, found)}
    if len(kinds) > 1:
        raise DataError(
            f"{where}: time column {name!r} mixes {' and '.join(sorted(kinds))}; write all alike"
        )
    return np.array([seconds for _, seconds in filter(None, found)], dtype=np.float64)


def _moment(value: Any) -> tuple[str, float] | None:
    if isinstance(value, str):
        value = _from_text(value.strip())
    if isinstance(value, datetime):
        zone = "dates without a time zone" if value.tzinfo is None else "dates with a time zone"
        return zone, value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    if isinstance(value, date):
        midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
        return "dates without a time zone", midnight.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return "numbers", float(value)


def _from_text(text: str) -> float | datetime | None:
    if NUMBER.fullmatch(text):
        return float(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _shown(value: Any) -> str:
    """A value for a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
