"""Train here, test there: a pair of tasks as one."""

import dataclasses

import numpy as np
import pytest

from bench.core.errors import DataError, SuiteError
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.mistakes.inputs import _task
from bench.runner.plan import validated
from bench.store import Store
from bench.suite_file import parse
from bench.tables import board
from bench.tasks import check, registry
from bench.tasks.shift import Shifted
from tests.runner.conftest import EXAMPLES, digits, plan_of, run_cells, workbench

from .loaded import content, splits_of

__all__ = ["run_cells", "workbench"]  # fixtures


def shifted(**more):
    raw = digits()
    raw["task"] = [
        {"name": "mnist-5k", "train": {"per_class": 8}, "test_size": 200},
        {"name": "mnist-5k", "train": {"per_class": 8}, "test_on": "digits", **more},
    ]
    return raw


def mistakes(raw):
    with pytest.raises(SuiteError) as caught:
        validated(parse(raw, EXAMPLES / "suite.toml"))
    return list(map(str, caught.value.mistakes))


def test_the_pool_is_of_one_and_the_test_split_of_the_other():
    pair = Shifted(registry()["mnist-5k"], registry()["digits"])
    splits = pair.load()
    check(splits, pair.spec)
    assert content(splits.train) == content(splits_of("mnist-5k").train)
    assert content(splits.test) == content(splits_of("digits").test)
    assert pair.spec.name == "mnist-5k"
    assert pair.spec.test_size == 450


def test_its_fingerprint_covers_both():
    here, there = registry()["mnist-5k"], registry()["digits"]
    changed = dataclasses.replace(there, spec=dataclasses.replace(there.spec, version=2))
    pairs = [Shifted(here, there), Shifted(there, here), Shifted(here, changed)]
    prints = {task.spec.fingerprint for task in (here, there, *pairs)}
    assert len(prints) == 5


class Made:
    """A task of given class names, four items each."""

    def __init__(self, name, classes):
        self.spec, self.classes = TaskSpec(name, 1, Modality.TEXT, "", ()), classes

    def load(self):
        targets = np.repeat(np.arange(len(self.classes)), 4)
        split = Split([self.classes[i] for i in targets], targets, groups=np.arange(len(targets)))
        return Splits(split, split, self.classes)


def test_classes_are_matched_by_name():
    splits = Shifted(Made("one", ("a", "b", "c")), Made("two", ("c", "a", "b"))).load()
    assert splits.class_names == ("a", "b", "c")
    assert [splits.class_names[i] for i in splits.test.targets] == list(splits.test.inputs)
    check(splits, TaskSpec("one", 1, Modality.TEXT, "", ()))  # groups of one are not the other's


def test_other_classes_are_told_with_their_names():
    with pytest.raises(DataError) as caught:
        Shifted(Made("one", ("a", "b")), Made("two", ("b", "d"))).load()
    assert str(caught.value) == (
        "task 'one' cannot be tested on 'two': their classes differ:"
        " 'a' of one alone and 'd' of two alone"
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("digit", "task[1].test_on: no task is named 'digit'; did you mean 'digits'?"),
        ("mnist-5k", "task[1].test_on: 'mnist-5k' is the task itself"),
        ("trec", "task[1].test_on: mnist-5k is image, trec is text"),
        ("digit-pairs", "task[1].test_on: mnist-5k is image, digit-pairs is several"),
    ],
)
def test_a_task_that_cannot_be_is_told_with_its_key(other, said):
    raw = shifted()
    raw["task"][1]["test_on"] = other
    assert mistakes(raw) == [said]


def test_another_number_of_classes_is_told():
    raw = digits()
    raw["task"] = [{"name": "reuters-r8", "test_on": "reuters-r52"}]
    assert mistakes(raw) == ["task[0].test_on: reuters-r8 has 8 classes, reuters-r52 has 52"]


def test_transcripts_are_no_classes():
    raw = digits()
    raw["task"] = [{"name": "fsdd-words", "test_on": "fsdd"}]
    said = "fsdd-words is transcription: it has no classes that another task could share"
    assert mistakes(raw) == [f"task[0].test_on: {said}"]


def test_own_data_have_another_key_for_it():
    raw = digits()
    raw["task"] = [{"name": "own", "data": "file:a.csv", "test_on": "digits"}]
    assert "your own data say test = ..." in mistakes(raw)[0]


def test_twice_the_same_is_a_mistake_and_another_test_size_is_none():
    raw = shifted(test_size=100)
    assert len(plan_of(raw).cells) == 2
    raw["task"].append(raw["task"][1])
    assert mistakes(raw) == ["task[2]: labels the same as task[1]"]


def test_a_run_has_both_and_the_table_says_which(run_cells, tmp_path):
    raw = shifted()
    raw["task"][1]["conditions"] = ["clean", "noise-5"]
    plan = plan_of(raw)
    assert [str(c).partition(" / ")[0] for c in plan.cells] == [
        "mnist-5k (8 per class)",
        "mnist-5k tested on digits (8 per class)",
        "mnist-5k tested on digits (8 per class) [noise-5]",
    ]
    plain, there, noisy = run_cells(plan)
    assert "test_on" not in plain.identity
    assert there.identity["test_on"] == "digits"
    assert (plain.data.test, there.data.test) == (200, 450)
    assert plain.parameters == there.parameters
    store = Store(tmp_path / "runs")
    store.write_suite({"name": "s", "version": 1, "cells": [c.run_id for c in plan.cells]})
    found = board(store)
    assert [p.title for p in found.problems] == [
        "mnist-5k (8 per class, 200 test items)",
        "mnist-5k (8 per class, tested on digits)",
        "mnist-5k (8 per class, tested on digits, noise-5)",
    ]
    one, other = found.robustness
    assert [(c.words, c.paired) for c in one.changes] == [("tested on digits", False)]
    assert [(c.words, c.paired) for c in other.changes] == [("noise-5", True)]
    assert noisy.metrics["accuracy"] < there.metrics["accuracy"]
    assert _task(there, None).spec.fingerprint == there.identity["data"]
