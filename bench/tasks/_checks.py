"""Checks on loaded data: what a task says of itself is true, before anything is computed on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.core.errors import DataError
from bench.core.inputs import digests
from bench.core.task import RareRule, Split, Splits, TaskKind, TaskSpec
from bench.core.transcripts import normal

NAMED_AT_MOST = 5
"""How many offenders a message names before it says "and n more"."""


def check(splits: Splits, spec: TaskSpec) -> None:
    """See that `splits` are usable and are what `spec` says.

    Raises:
        DataError: for an empty split, arrays of unequal lengths, class ids out of range, fewer
            than two classes, a class missing from a split, a group on both sides, or
            sizes other than those the spec states (0 in a spec means: not stated).
    """
    name = spec.name
    _check_form(splits.train, name, "train", len(splits.class_names))
    _check_form(splits.test, name, "test", len(splits.class_names))
    if len(splits.class_names) < 2 and spec.kind is TaskKind.CLASSIFICATION:
        have = ", ".join(map(repr, splits.class_names)) or "none"
        raise DataError(f"task {name!r}: a classification needs two classes or more; found: {have}")
    if spec.kind is not TaskKind.TRANSCRIPTION:  # most transcripts are said once
        _check_classes(splits, spec)
    _check_groups(splits, name)
    stated = {
        "training items": (spec.train_size, len(splits.train)),
        "test items": (spec.test_size, len(splits.test)),
        "classes": (spec.classes, len(splits.class_names)),
    }
    for what, (said, found) in stated.items():
        if said and said != found:
            raise DataError(f"task {name!r}: {said:,} {what} were stated, but {found:,} were read")


def duplicates_across(splits: Splits) -> int:
    """Count the test items whose content (`item_digest`) also stands in the training pool."""
    train = set(digests(splits.train.inputs))
    return sum(name in train for name in digests(splits.test.inputs))


def said_before(splits: Splits) -> int:
    """Count the test items whose transcript also stands in the training pool, made alike."""
    texts = [normal(text) for text in splits.class_names]
    train = {texts[i] for i in splits.train.targets}
    return sum(texts[i] in train for i in splits.test.targets)


def listed(names: Iterable[object]) -> str:
    """Names for a message: the first few quoted, the rest counted."""
    words = [repr(name) for name in names]
    more = len(words) - NAMED_AT_MOST
    return ", ".join(words[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _check_form(split: Split, name: str, which: str, k: int) -> None:
    n = len(split.inputs)
    if n == 0:
        raise DataError(f"task {name!r}: the {which} split is empty")
    if split.targets.shape != (n,) or split.targets.dtype != np.int64:
        raise DataError(
            f"task {name!r}: the {which} split has {n:,} inputs, but targets of shape "
            f"{split.targets.shape} and type {split.targets.dtype}; ({n},) int64 is wanted"
        )
    if split.groups is not None and split.groups.shape != (n,):
        raise DataError(
            f"task {name!r}: the {which} split has {n:,} inputs, but groups of shape "
            f"{split.groups.shape}"
        )
    low, high = int(split.targets.min()), int(split.targets.max())
    if low < 0 or high >= k:
        raise DataError(
            f"task {name!r}: class ids of the {which} split go from {low} to {high}, "
            f"but there are {k} class names"
        )


def _check_classes(splits: Splits, spec: TaskSpec) -> None:
    every = np.arange(len(splits.class_names))
    for which, split in (("train", splits.train), ("test", splits.test)):
        missing = np.setdiff1d(every, split.targets)
        allowed = which == "test" and spec.rare is RareRule.TRAIN_ONLY
        if not len(missing) or allowed:
            continue
        names = listed(splits.class_names[i] for i in missing)
        word, stands = ("class", "stands") if len(missing) == 1 else ("classes", "stand")
        raise DataError(
            f"task {spec.name!r}: {word} {names} {stands} in no item of the {which} split; "
            "add items of it there, give the rows another label, or remove the class"
        )


def _check_groups(splits: Splits, name: str) -> None:
    if splits.train.groups is None or splits.test.groups is None:
        return
    both = np.intersect1d(splits.train.groups, splits.test.groups)
    if len(both):
        raise DataError(f"task {name!r}: {len(both):,} groups stand in train and in test")
