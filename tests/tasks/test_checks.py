"""Checks on loaded data: each thing that can be wrong is named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench.core.errors import DataError
from bench.core.task import Modality, RareRule, Split, Splits, TaskSpec
from bench.tasks import check, duplicates_across

SPEC = TaskSpec(name="t", version=1, modality=Modality.TEXT, summary="", assets=())


def split(*targets: int, groups: list[int] | None = None) -> Split:
    return Split(
        inputs=[f"text {i}" for i in range(len(targets))],
        targets=np.array(targets, dtype=np.int64),
        groups=None if groups is None else np.array(groups, dtype=np.int64),
    )


def splits(train: Split, test: Split, names: tuple[str, ...] = ("a", "b")) -> Splits:
    return Splits(train, test, names)


def test_good_splits_pass() -> None:
    check(splits(split(0, 1, groups=[0, 1]), split(1, 0, groups=[2, 3])), SPEC)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (splits(split(), split(0, 1)), "the train split is empty"),
        (splits(split(0, 1), split()), "the test split is empty"),
        (splits(split(0, 0), split(0), ("a",)), "two classes or more; found: 'a'"),
        (splits(split(0, 1), split(0, 0)), "class 'b' stands in no item of the test split"),
        (splits(split(0, 0), split(0, 1)), "class 'b' stands in no item of the train split"),
        (splits(split(0, 2), split(0, 1)), "ids of the train split go from 0 to 2"),
        (splits(split(0, -1), split(0, 1)), "go from -1 to 0"),
        (
            splits(split(0, 1, groups=[1, 2]), split(0, 1, groups=[2, 3])),
            "1 groups stand in train and in test",
        ),
        (splits(Split(["x"], np.array([0, 1])), split(0, 1)), r"1 inputs, but targets of shape"),
        (splits(Split(["x"], np.array([0.0])), split(0, 1)), "float64"),
        (splits(split(0, 1, groups=[1]), split(0, 1)), "groups of shape"),
    ],
)
def test_what_is_wrong_is_named(bad: Splits, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check(bad, SPEC)
    assert "task 't'" in str(caught.value)


def test_many_missing_classes_are_counted_not_listed() -> None:
    names = tuple(f"class{i}" for i in range(20))
    with pytest.raises(DataError, match=r"'class3', 'class4', 'class5' and 14 more"):
        check(splits(split(*range(20)), split(0), names), SPEC)


def test_rare_classes_may_miss_test_but_not_train_when_the_task_says_so() -> None:
    rare = dataclasses.replace(SPEC, rare=RareRule.TRAIN_ONLY)
    check(splits(split(0, 1), split(0, 0)), rare)
    with pytest.raises(DataError, match="no item of the train split"):
        check(splits(split(0, 0), split(0, 1)), rare)


@pytest.mark.parametrize(
    ("field", "what"),
    [("train_size", "training items"), ("test_size", "test items"), ("classes", "classes")],
)
def test_stated_sizes_are_checked(field: str, what: str) -> None:
    stated = dataclasses.replace(SPEC, **{field: 7})
    with pytest.raises(DataError, match=f"7 {what} were stated, but 2 were read"):
        check(splits(split(0, 1), split(0, 1)), stated)


def test_duplicates_are_counted_by_content() -> None:
    grey = np.zeros((2, 2), dtype=np.uint8)
    train = Split(["one", "two", grey], np.array([0, 1, 0]))
    test = Split(["two", "two", "three", grey.copy(), grey.reshape(1, 4)], np.zeros(5, np.int64))
    assert duplicates_across(splits(train, test)) == 3
