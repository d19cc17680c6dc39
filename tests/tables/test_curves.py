"""The label efficiency of a task: which records make a curve, and how it is shown."""

import json
import re

import pytest

from bench.core.record import Failure
from bench.tables import render
from bench.tables.curves import ladders
from bench.tables.entrants import groups


def fill(make, sizes=(4, 16), **more):
    for size in sizes:
        for method, accuracy in (("probe", 0.7), ("knn", 0.6)):
            make.draws(3, method=method, accuracy=accuracy, per_class=size, **more)


def section(text):
    (found,) = re.findall(r"## Label efficiency: .*?(?=\n## |\Z)", text, flags=re.DOTALL)
    return found


def test_one_size_is_no_curve(make, board_of):
    fill(make, (4,))
    assert board_of().curves == ()
    assert "Label efficiency" not in render(board_of(), "md")
    assert json.loads(render(board_of(), "json"))["curves"] == []


def test_sizes_come_from_few_to_all_and_entrants_from_the_best(make, board_of):
    fill(make, (16, 4, 1024))
    make.cell(method="probe", per_class=None, accuracy=0.9)
    make.cell(method="knn", per_class=None, accuracy=0.8)
    (curve,) = board_of().curves
    assert [size.per_class for size in curve.sizes] == [4, 16, 1024, None]
    assert [size.words for size in curve.sizes][2:] == ["1,024 per class", "all"]
    assert [line.method for line in curve.lines] == ["probe", "knn"]
    board = board_of()
    at = {(row.problem, row.method): row.value.mean for row in board.rows}
    for line in curve.lines:
        for size, row in zip(curve.sizes, line.rows, strict=True):
            assert row.value.mean == at[size.problem, line.method]


@pytest.mark.parametrize("format", ["md", "latex"])
def test_the_table_has_a_column_a_size(make, board_of, format):  # noqa: A002
    fill(make)
    text = render(board_of(), format)
    assert text.count("Label efficiency: news") == 1
    assert text.count("3 draws and 200 test items") == 3
    assert "†" not in text
    assert "‡" not in text


def test_the_sheet_is_as_it_was(make, board_of):
    fill(make)
    rows = render(board_of(), "csv").splitlines()
    assert len(rows) == 5


def test_a_size_beyond_the_smallest_class_is_marked(make, board_of):
    fill(make, (4,))
    fill(make, (16,), labels=40, capped={"a": 8, "b": 4})
    (curve,) = board_of().curves
    assert [(size.capped, size.labels) for size in curve.sizes] == [(0, 4), (2, 10.0)]
    text = section(render(board_of(), "md"))
    assert "16 per class †" in text
    assert "2 at 16 per class." in text


def test_a_class_that_the_task_calls_rare_ends_no_curve(make, board_of):
    fill(make, (4, 16), capped={"a": 1}, rare={"a": 1})
    (curve,) = board_of().curves
    assert [size.capped for size in curve.sizes] == [0, 0]


def test_a_value_with_draws_missing_is_marked_and_one_without_is_a_dash(make, board_of):
    fill(make)
    make.draws(2, method="lora", per_class=4)
    make.cell(method="lora", per_class=4, draw=2, failure=Failure(kind="killed", message=""))
    text = section(render(board_of(), "md"))
    lora = next(line for line in text.splitlines() if "lora" in line)
    assert re.search(r"\] ‡ \|\s+– \|$", lora)  # noqa: RUF001
    assert "‡ Not every draw is there." in text


def test_what_else_differs_makes_curves_of_their_own(make):
    fill(make)
    rule = {"per_class": 4, "size": None, "sampling": "mteb", "validation_extra": 0}
    extra = [
        make.cell(identity={"train": {**rule, "per_class": size}}, per_class=size)
        for size in (4, 16)
    ]
    make.cell(identity={"test_size": 50}, per_class=4)  # one size of other test items
    make.cell(identity={"train": {**rule, "per_class": None, "size": 100}})
    whole = make.cell(per_class=None)
    found = ladders(groups(make.store.final()))
    assert list(found) == ["news", "news (mteb draws)"]
    last = {sizes[-1].problem.key for sizes in found.values()}
    assert len(last) == 1  # all of the pool is all of it, however it was drawn
    assert {len(sizes) for sizes in found.values()} == {3}
    assert whole.data is not None
    assert len(extra) == 2


def test_two_versions_of_the_data_have_titles_of_their_own(make):
    fill(make)
    fill(make, identity={"data": "another"})
    found = ladders(groups(make.store.final()))
    assert len(found) == 2
    assert all(re.fullmatch(r"news; [0-9a-f]{8}", title) for title in found)


def test_controls_are_not_on_a_curve(make, board_of):
    fill(make)
    for size in (4, 16):
        make.draws(3, control="shuffled-labels", accuracy=0.25, per_class=size)
    (curve,) = board_of().curves
    assert len(curve.lines) == 2


def test_json_has_the_points(make, board_of):
    fill(make)
    (curve,) = json.loads(render(board_of(), "json"))["curves"]
    assert [size["per_class"] for size in curve["sizes"]] == [4, 16]
    point = curve["lines"][0]["values"][0]
    assert point["low"] < point["value"] < point["high"]
    assert (point["draws"], point["n"], len(point["run_ids"])) == (3, 200, 3)


def test_a_task_is_not_averaged_with_its_own_other_sizes(make, board_of):
    fill(make)
    assert board_of().overall == ()


def test_across_tasks_a_size_is_averaged_with_its_like(make, board_of):
    fill(make)
    fill(make, (4,), task="topics")
    fill(make, (64,), task="other")
    board = board_of()
    assert {(entry.train, entry.tasks) for entry in board.overall} == {("4 per class", 2)}
    assert "## Overall: text (4 per class)" in render(board, "md")
    rows = [r for r in board.rows if r.method == "probe" and r.problem.train == "4 per class"]
    (probe,) = [entry for entry in board.overall if entry.method == "probe"]
    assert probe.value.mean == pytest.approx(sum(r.value.mean for r in rows) / 2)
