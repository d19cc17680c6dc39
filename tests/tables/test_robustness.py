"""What is lost where test inputs are changed: paired, of one condition a column, never averaged."""

import json
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from bench.core.errors import StoreError, UserError
from bench.core.identity import digest
from bench.core.record import Failure
from bench.gate.rows import couples
from bench.report.blocks import blocks
from bench.report.gather import gather
from bench.stats import compare
from bench.tables import cells, render, robustness, words
from bench.tables.curves import ladders
from bench.tables.entrants import groups
from bench.tables.render import Format
from bench.tables.rows import Gap
from tests.tables.conftest import truth

NOISY = {"identity": {"condition": "noise-3"}}
WORSE = {"identity": {"condition": "noise-5"}}
MOVED = {"identity": {"test_on": "others", "data": digest("moved")}}


def right(share, draw, task="news", items=200):
    """Predictions right on the first `share` of the items, and one item more for each draw."""
    true = truth(task, items)
    found = (true + 1) % 4
    found[: round(share * items) + draw] = true[: round(share * items) + draw]
    return found


def draws(make, share, count=3, **cell):
    return [make.cell(draw=d, predicted=right(share, d), **cell) for d in range(count)]


def fill(make):
    draws(make, 0.9)
    draws(make, 0.8, method="knn")
    for changed, loss in ((NOISY, 0.1), (WORSE, 0.4)):
        draws(make, 0.9 - loss, **changed)
        draws(make, 0.8 - loss / 2, method="knn", **changed)


def test_a_table_has_a_row_an_entrant_and_a_column_a_condition(make, board_of):
    fill(make)
    (found,) = board_of().robustness
    assert found.problem.title == "news (16 per class)"
    assert [(change.words, change.paired) for change in found.changes] == [
        ("noise-3", True),
        ("noise-5", True),
    ]
    assert [line.clean.method for line in found.lines] == ["probe", "knn"]
    gaps = [[held.gap.difference for held in line.held] for line in found.lines]
    assert gaps == [pytest.approx([-0.1, -0.4]), pytest.approx([-0.05, -0.2])]


def test_the_difference_is_paired_by_draw_and_item(make, board_of):
    fill(make)
    (found,) = board_of().robustness
    hits = [
        np.array([right(share, d) == truth("news") for d in range(3)], float)
        for share in (0.8, 0.9)
    ]
    expected = compare(*hits)
    gap = found.lines[0].held[0].gap
    assert (gap.difference, gap.low, gap.high) == pytest.approx(
        (expected.difference, expected.low, expected.high)
    )


def test_a_draw_without_its_like_is_left_out_and_marked(make, board_of):
    fill(make)
    draws(make, 0.7, count=2, method="lora")
    draws(make, 0.6, count=3, method="lora", **NOISY)
    make.cell(method="ridge")
    make.cell(method="ridge", **NOISY, failure=Failure(kind="killed", message=""))
    board = board_of()
    lines = {line.clean.method: line for line in board.robustness[0].lines}
    assert lines["lora"].held[0].gap.difference == pytest.approx(-0.1)
    assert lines["lora"].held[1].row is None
    assert lines["ridge"].held[0].gap is None
    text = render(board, "md")
    section = text.partition("## Robustness")[2].partition("\n## ")[0]
    assert "‡ Not every draw is there." in section
    (lora,) = [line for line in section.splitlines() if "lora" in line]
    assert [cell.strip()[:6] for cell in lora.split("|")[3:6]] == ["70.2 ‡", "60.5: ", "–"]  # noqa: RUF001


def test_other_test_items_under_one_condition_are_refused(make, board_of):
    fill(make)
    other = (truth("news") + 1) % 4
    for draw in range(3):
        make.cell(method="lora", draw=draw)
        make.cell(method="lora", draw=draw, true=other, identity={"condition": "blur-1"})
    with pytest.raises(StoreError, match="have different test items"):
        board_of()


def test_another_tasks_items_are_not_paired(make, board_of):
    draws(make, 0.9)
    true = truth("others", 100)
    for draw in range(3):
        predicted = np.where(np.arange(100) < 60 + draw, true, (true + 1) % 4)
        make.cell(draw=draw, true=true, predicted=predicted, **MOVED)
    (found,) = board_of().robustness
    assert [(c.words, c.paired) for c in found.changes] == [("tested on others", False)]
    (held,) = found.lines[0].held
    clean = found.lines[0].clean.value
    assert held.gap.difference == pytest.approx(held.row.value.mean - clean.mean)
    widths = [(v.high - v.low) / 2 for v in (clean, held.row.value)]
    assert max(widths) < (held.gap.high - held.gap.low) / 2 < sum(widths)
    assert words.ELSEWHERE in render(board_of(), "md")


def test_of_two_versions_of_a_task_neither_is_taken(make, board_of):
    draws(make, 0.9)
    draws(make, 0.8, identity={"data": digest("version 2")})
    draws(make, 0.7, **MOVED)
    assert board_of().robustness == ()


def test_a_curve_is_of_one_condition(make):
    for size in (4, 16):
        make.draws(2, per_class=size)
        make.draws(2, per_class=size, **NOISY)
    make.draws(2, per_class=64, **WORSE)
    found = ladders(groups(make.store.final()))
    assert {title: [s.per_class for s in sizes] for title, sizes in found.items()} == {
        "news": [4, 16],
        "news (noise-3)": [4, 16],
    }


def test_what_is_said_over_tasks_is_of_clean_problems(make, board_of):
    logme = {"transferability": {"logme": 0.1}}
    for task in ("news", "topics"):
        for backbone in ("small", "large"):
            make.draws(2, task=task, backbone=backbone, **logme)
    before = board_of()
    for task in ("news", "topics"):
        for backbone in ("small", "large"):
            make.draws(2, task=task, backbone=backbone, accuracy=0.4, **logme, **NOISY)
    after = board_of()
    assert after.overall == before.overall
    assert after.transfers == before.transfers
    assert {p.train for p in after.changed} == {"16 per class, noise-3"}
    assert words.CHANGED in render(after, "md")
    assert words.CHANGED in render(after, "latex").replace("\\", "")


@pytest.mark.parametrize("format", list(Format))
def test_without_changes_nothing_is_said_of_them(make, board_of, format):  # noqa: A002
    make.draws(2)
    text = render(board_of(), format)
    assert "obustness" not in text
    assert "changed" not in text


def test_formats_hold_it(make, folder, board_of):
    fill(make)
    board = board_of()
    for text in (render(board, "md"), robustness(folder)):
        assert "## Robustness: news (16 per class)" in text
        row = next(line for line in text.splitlines() if "80.5: -10.0 [" in line)
        assert "50.5: -40.0 [" in row
    assert "80.5: -10.0 [" in render(board, "latex")
    assert "noise-5" in render(board, "csv")
    whole = json.loads(render(board, "json"))
    assert whole["robustness"] == json.loads(robustness(folder, "json"))["robustness"]
    (found,) = whole["robustness"]
    (change, _) = found["lines"][0]["changes"]
    assert (change["change"], change["paired"]) == ("noise-3", True)
    assert change["difference"]["difference"] == pytest.approx(-0.1)
    assert len(change["run_ids"]) == 3


def test_the_page_has_the_table(make):
    fill(make)
    (grid,) = [g for g in blocks(gather(make.store)).others if g.kind == "robustness"]
    assert [head.text for head in grid.heads] == [
        "backbone", "method", "clean", "noise-3", "noise-5",
    ]  # fmt: skip
    assert [len(line.runs) for line in grid.lines] == [9, 9]


def test_a_view_without_changes_is_a_mistake_in_one_sentence(make, folder):
    make.draws(2)
    with pytest.raises(UserError, match="no test inputs are changed here"):
        robustness(folder)


def test_the_gate_compares_no_two_conditions(make):
    before, after = draws(make, 0.9, **NOISY), draws(make, 0.5, **WORSE)
    (one,) = couples(before, after)
    assert one.blocked == ("the condition of the test inputs changed: noise-3 -> noise-5",)


def test_a_hostile_condition_is_inert(make, folder):
    draws(make, 0.9)
    draws(make, 0.8, identity={"condition": "<b>|`x`](http://evil) *a*"})
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(robustness(folder))
    assert "html_block" not in {token.type for token in tokens}
    inline = {child.type for t in tokens if t.type == "inline" for child in t.children}
    assert inline <= {"text", "softbreak", "text_special"}


def test_the_guide_shows_what_the_records_give():
    results = Path(__file__).parents[2] / "results" / "robustness"
    guide = results.parents[1] / "docs" / "robustness.md"
    text = guide.read_text(encoding="utf-8")
    (block,) = [b for b in text.split("```") if b.startswith("\n| backbone")]
    assert block.strip() in robustness(results)
    board = json.loads(robustness(results, "json"))["robustness"]
    known = {
        (line["backbone"], change["change"], cells.behind(Gap(**change["difference"]), "accuracy"))
        for of in board
        for line in of["lines"]
        for change in line["changes"]
    }
    rows = [line.split(" | ") for line in text.splitlines() if line.endswith("] |")]
    shown = {(row[1], row[3], row[4].removesuffix(" |")) for row in rows if len(row) == 5}
    assert len(shown) == 8
    assert shown <= known
