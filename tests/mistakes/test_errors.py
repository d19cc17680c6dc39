"""`bench errors`: on published records, and on a user's own hostile table run here."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cli import main
from bench.core.errors import StoreError, UserError
from bench.core.inert import clean
from bench.mistakes import analyse, errors
from bench.mistakes.analysis import find
from bench.runner.run import plan_suite
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.stats import compare
from bench.store import Store

ROOT = Path(__file__).parents[2]
SMOKE, ORDER = ROOT / "results/smoke", ROOT / "results/order"
HOSTILE = "\x1b[31mred\u202e | `code` <script>alert(1)</script> [x](https://e.vil) "

OWN = """
[suite]
name = "own"
[[task]]
name = "mine"
data = "file:mine.csv"
input = "text"
label = "label"
test_share = 0.5
class_names = { a = "a | <b>b</b>" }
train = { per_class = 8 }
[[method]]
name = "tfidf"
"""


def picked(folder: Path, **wanted):
    """Successful records with these fields, by draw."""
    found = [
        record
        for record in Store(folder).final()
        if all(getattr(record, key) == value for key, value in wanted.items())
    ]
    return sorted(found, key=lambda record: record.draw)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A suite over a table that the method cannot learn, with one of its cells run here."""
    folder = tmp_path_factory.mktemp("own")
    rows = [f'"{HOSTILE}{i} {"long " * 40}",{"ab"[(i * 7919) % 5 % 2]}' for i in range(80)]
    (folder / "mine.csv").write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (folder / "own.toml").write_text(OWN)
    plan, store = plan_suite(folder / "own.toml"), Store(folder / "runs/own")
    record = run_cell(plan.cells[0], Workbench("cpu", folder / "cache", lambda *_: None), store)
    assert record.failure is None
    return folder, record


def test_it_counts_what_the_record_scored():
    record = picked(SMOKE, task="digits", method="probe", control=None)[0]
    found = json.loads(errors(record.run_id[:12], folder=SMOKE, as_plain=True))
    assert found["run_id"] == record.run_id
    assert found["items"] == record.data.test
    assert 1 - found["wrong"] / found["items"] == pytest.approx(record.metrics["accuracy"])
    assert len(found["worst"]) == found["wrong"]
    assert sum(pair["count"] for pair in found["confusions"]) == found["wrong"]
    assert sum(one["items"] for one in found["calibration"]) == found["items"]
    sure = [one["probability"] for one in found["worst"]]
    assert sure == sorted(sure, reverse=True)
    items = Store(SMOKE).predictions(record)
    for one in found["worst"]:
        assert items.true[one["item"]] == one["true"] != one["predicted"]
    assert found["class_names"] == [str(i) for i in range(10)]


def test_inputs_of_images_say_their_size():
    record = picked(SMOKE, task="digits", method="probe", control=None)[0]
    assert "| 8 x 8 array" in errors(record.run_id, folder=SMOKE, show_inputs=True)


def test_against_another_run_it_is_the_paired_test():
    one, other = (
        picked(ORDER, task="trec", backbone=name)[0] for name in ("mpnet-base", "minilm-l6")
    )
    text = errors(one.run_id, against=other.run_id, folder=ORDER)
    found = json.loads(errors(one.run_id, against=other.run_id, folder=ORDER, as_plain=True))
    store, told = Store(ORDER), found["against"]
    hits = [
        (items.true == items.predicted)[None].astype(float)
        for items in map(store.predictions, (one, other))
    ]
    expected = compare(*hits)
    assert told["p"] == pytest.approx(expected.p, abs=1e-9)
    assert told["difference"] == pytest.approx(
        one.metrics["accuracy"] - other.metrics["accuracy"], abs=1e-9
    )
    assert f"p = {expected.p:.2g} (McNemar" in text
    both = np.flatnonzero((hits[0] + hits[1])[0] == 0)
    assert told["both_wrong"] == both.tolist()
    parts = [len(told[key]) for key in ("only_this_wrong", "only_other_wrong", "both_wrong")]
    assert told["both_right"] + sum(parts) == found["items"]
    assert found["wrong"] == parts[0] + parts[2]
    assert "## What both get wrong" in text


def test_other_test_items_are_refused():
    one = picked(SMOKE, task="digits", control=None)[0]
    other = picked(SMOKE, task="reuters-r8", control=None)[0]
    with pytest.raises(UserError, match="different test items"):
        errors(one.run_id, against=other.run_id, folder=SMOKE)


def test_what_cannot_be_is_one_sentence(own):
    folder, record = own
    with pytest.raises(StoreError, match="no record"):
        errors("0" * 12, folder=SMOKE)
    at = folder / "runs/own"
    with pytest.raises(UserError, match="--suite FILE"):
        errors(record.run_id, folder=at, show_inputs=True)
    digits = picked(SMOKE, task="digits", control=None)[0]
    with pytest.raises(UserError, match="has no task 'digits': mine"):
        errors(digits.run_id, folder=SMOKE, suite=folder / "own.toml")


def test_own_inputs_are_shown_cut_and_inert(own):
    folder, record = own
    at, suite = folder / "runs/own", folder / "own.toml"
    text = errors(record.run_id, folder=at, suite=suite, show_inputs=True, top=3)
    for raw in ("\x1b", "\u202e", "<", "`code`", "](http", "://"):
        assert raw not in text
    assert "red &#124; &#96;code&#96; &lt;script&gt;" in text
    assert "a &#124; &lt;b&gt;b&lt;/b&gt;" in text
    found = json.loads(
        errors(record.run_id, folder=at, suite=suite, show_inputs=True, as_plain=True)
    )
    assert all(len(one["input"]) <= 80 and one["input"].startswith("red") for one in found["worst"])
    test = plan_suite(suite).tasks["mine"].load().test
    assert len(test) == found["items"]
    for one in found["worst"]:  # the number is the item's place among the test items
        assert one["input"] == clean(test.inputs[one["item"]], 80)
        assert test.targets[one["item"]] == one["true"]


def test_without_the_suite_classes_have_the_names_of_the_record(own):
    folder, record = own
    assert record.data.class_names == ("a | <b>b</b>", "b")
    text = errors(record.run_id, folder=folder / "runs/own")
    assert "<b>" not in text
    assert "a &#124; &lt;b&gt;b&lt;/b&gt;" in text


def test_classes_of_a_record_without_names_are_numbers(own, tmp_path):
    folder, record = own
    data = replace(record.data, class_names=())
    older, store = replace(record, data=data), Store(folder / "runs/own")
    predictions = store.folder / "predictions" / f"{record.predictions}.safetensors"
    Store(tmp_path).add(older, predictions.read_bytes())
    assert "| 0 " in errors(record.run_id, folder=tmp_path)


def test_changed_data_are_not_shown_as_if_they_were_the_records(own, tmp_path):
    folder, record = own
    for name in ("own.toml", "mine.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with (tmp_path / "mine.csv").open("a", encoding="utf-8") as lines:
        lines.write("one more,a\n")
    with pytest.raises(UserError, match="no longer those"):
        errors(record.run_id, folder=folder / "runs/own", suite=tmp_path / "own.toml")


def test_a_failed_record_has_no_predictions(tmp_path):
    from bench.core.record import Failure, Status
    from tests.store_kit import record

    failed = record(status=Status.FAILED, failure=Failure(kind="killed", message="x"), metrics={})
    Store(tmp_path).add(failed)
    with pytest.raises(StoreError, match="none of its attempts is ok"):
        find("0000", tmp_path)


def test_nothing_wrong_has_no_tables_of_mistakes():
    from bench.mistakes.inputs import Data
    from bench.mistakes.text import as_text

    found = find(picked(SMOKE, task="digits", control=None)[0].run_id, SMOKE)
    perfect = type(found)(
        found.record,
        type(found.items)(
            found.items.true, found.items.true, found.items.p_true, found.items.p_true, 10
        ),
    )
    text = as_text(analyse(perfect), Data(), show_inputs=False, top=5)
    assert "0 of 450 test items are wrong" in text
    assert "confident mistakes" not in text
    assert "## Calibration by class" in text


def test_the_command(monkeypatch, capsys):
    record = picked(SMOKE, task="digits", method="probe", control=None)[0]
    asked = ["errors", record.run_id[:10], "--folder", str(SMOKE), "--top", "2"]
    monkeypatch.setattr(sys, "argv", ["bench", *asked])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    printed = capsys.readouterr().out
    assert printed.startswith("# Where it goes wrong")
    assert "2 of" in printed
