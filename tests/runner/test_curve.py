"""A task with a list of sizes is a curve: one task, several rules, each with cells of its own."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.draws import draw_items
from bench.core.errors import SuiteError
from bench.core.suite import Sampling, TrainRule
from bench.runner.forecast import SECONDS_A_FIT, forecast
from bench.runner.items import labelled_items
from bench.runner.report import plan_lines
from bench.suite_file import parse
from tests.runner.conftest import digits, plan_of


def curve(sizes, *, draws: int = 1, **rule) -> dict:
    raw = digits(draws=draws)
    raw["task"] = [{**raw["task"][0], "train": {"per_class": sizes, **rule}}]
    raw["method"] = [{"name": "probe"}, {"name": "centroid"}]
    return raw


def rules(sizes, **rule) -> list[TrainRule]:
    draft = parse(curve(sizes, **rule), Path("x.toml"))
    assert draft.mistakes == ()
    return [entry.train for entry in draft.suite.tasks]


def where(raw) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        plan_of(raw)
    return [mistake.where for mistake in caught.value.mistakes]


def test_a_list_is_one_entry_a_size():
    assert rules([4, 8, "full"]) == [TrainRule(per_class=4), TrainRule(per_class=8), TrainRule()]


def test_what_else_the_rule_says_is_of_every_size_but_all_of_the_pool():
    found = rules([4, "full"], sampling="mteb", validation_extra=50)
    assert found == [
        TrainRule(per_class=4, sampling=Sampling.MTEB, validation_extra=50),
        TrainRule(),
    ]


def test_a_number_alone_goes_on_as_before():
    assert rules(8) == [TrainRule(per_class=8)]


@pytest.mark.parametrize(
    ("sizes", "places"),
    [
        ([], [""]),
        ([4, 4], ["[1]"]),
        (["full", 4, "full"], ["[2]"]),
        ([0, -1, 2.5, True, "all", None, [4]], [f"[{i}]" for i in range(7)]),
    ],
)
def test_a_wrong_size_is_a_mistake_where_it_stands(sizes, places):
    assert where(curve(sizes)) == [f"task[0].train.per_class{place}" for place in places]


def test_the_other_keys_are_checked_once_for_all_sizes():
    assert where(curve([4, 8, 16], size=100)) == ["task[0].train"]
    assert where(curve([4, 8, 16], per_clas=1)) == ["task[0].train.per_clas"]


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        ({"per_class": 16}, None),
        ({"per_class": [16, "full"]}, None),
        ({"size": 100}, None),
        ({"per_class": 8}, "task[1]"),
        ({"per_class": 8, "sampling": "random"}, "task[1]"),
        ({"per_class": [16, 8]}, "task[1]"),
        ({"per_class": 8, "sampling": "mteb"}, None),
    ],
)
def test_two_entries_of_a_task_never_label_the_same(rule, places):
    raw = curve([4, 8])
    raw["task"] = [*raw["task"], {**raw["task"][0], "train": rule}]
    if places is None:
        ids = [cell.run_id for cell in plan_of(raw).cells]
        assert len(set(ids)) == len(ids)
    else:
        assert where(raw) == [places]


def test_entries_of_one_name_and_other_data_are_a_mistake():
    raw = curve([4, 8])
    other = {**raw["task"][0], "train": {"per_class": 16}, "test_size": 100}
    assert where({**raw, "task": [*raw["task"], other]}) == ["task[1].name"]


def test_each_size_has_cells_of_its_own_and_all_share_the_task():
    plan = plan_of(curve([4, 8, "full"], draws=3))
    assert len({cell.run_id for cell in plan.cells}) == len(plan.cells) == (3 + 3 + 1) * 2
    assert len({cell.fingerprint for cell in plan.cells}) == 1
    assert list(plan.tasks) == ["digits"]


def test_a_size_of_a_curve_is_the_cell_of_a_suite_with_that_size_alone():
    at_once = {cell.run_id for cell in plan_of(curve([4, 8, "full"])).cells}
    alone = [plan_of(curve(size)).cells for size in (4, 8)]
    raw = digits()
    raw["task"][0]["train"] = "full"
    alone.append(plan_of(raw).cells)
    assert {cell.run_id for cells in alone for cell in cells} <= at_once


def test_every_method_labels_the_same_items_and_each_size_holds_the_last(workbench):
    labelled: dict[tuple[int, int | None], set[tuple[int, ...]]] = {}
    for cell in plan_of(curve([2, 4, "full"], draws=2)).cells:
        chosen, _ = labelled_items(cell, workbench.load(cell))
        key = (cell.draw, cell.task.train.per_class)
        labelled.setdefault(key, set()).add(tuple(chosen.labelled.tolist()))
    assert {len(of_methods) for of_methods in labelled.values()} == {1}
    for draw in range(2):
        two, four = (set(*labelled[draw, size]) for size in (2, 4))
        assert two < four < set(*labelled[0, None])


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.lists(st.integers(1, 20), min_size=2, max_size=5, unique=True),
    st.integers(0, 5),
    st.sampled_from(Sampling),
)
def test_sizes_are_nested_and_end_where_a_class_ends(targets, sizes, draw, sampling):
    pool = np.array(targets)
    drawn = [
        draw_items(pool, TrainRule(per_class=size, sampling=sampling), draw)
        for size in sorted(sizes)
    ]
    for smaller, larger in itertools.pairwise(drawn):
        assert set(smaller.labelled) <= set(larger.labelled)
        assert smaller.capped.items() <= larger.capped.items()
    counts = np.bincount(pool)
    for size, one in zip(sorted(sizes), drawn, strict=True):
        assert one.capped.keys() == {c for c, n in enumerate(counts) if 0 < n < size}


def test_the_forecast_extracts_what_lies_in_another_size_once():
    def seconds(sizes):
        plan = plan_of(curve(sizes))
        found = forecast(plan, plan.cells, "cpu", 0)
        fits = SECONDS_A_FIT * len(plan.cells)
        return found.seconds - fits

    assert seconds(["full", 4]) == pytest.approx(seconds(["full"]))


def test_a_combination_that_does_not_apply_is_told_once():
    raw = curve([4, 8])
    raw["backbone"] = [*raw["backbone"], {"name": "minilm-l6"}]
    assert plan_lines(plan_of(raw)).count("the backbone reads text") == 1
