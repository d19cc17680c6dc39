"""Data that nobody would send on purpose (faults.md, 41): an error that says so, or a count."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench.core.errors import DataError
from bench.tasks import duplicates_across

from .own import load, rows, write

pytestmark = pytest.mark.fault(41, "data sets with empty, huge, broken, leaking or missing content")

HEAD = "text,label\n"
TWO = rows("a", "b")


def test_empty_texts_stay_and_are_counted(tmp_path: Path) -> None:
    splits = load(tmp_path, write(tmp_path, HEAD + ',a\n"",b\n"  ",a\n' + TWO))
    assert len(splits.train) + len(splits.test) == 11
    assert dict(splits.notes) == {"texts_empty": 3}


def test_rows_without_input_or_label_are_dropped_and_counted(tmp_path: Path) -> None:
    records = [{"text": f"{label} {i}", "label": label} for i in range(4) for label in "ab"]
    records += [{"text": None, "label": "a"}, {"label": "b"}, {"text": "x", "label": None}]
    records += [{"text": "x", "label": float("nan")}, {"text": "x", "label": " "}, {"text": None}]
    uri = write(tmp_path, "\n".join(json.dumps(record) for record in records), "mine.jsonl")
    splits = load(tmp_path, uri)
    assert len(splits.train) + len(splits.test) == 8
    assert dict(splits.notes) == {"rows_dropped_without_input": 3, "rows_dropped_without_label": 3}


def test_words_that_look_like_missing_values_are_words(tmp_path: Path) -> None:
    splits = load(tmp_path, write(tmp_path, HEAD + rows("NA", "None", "null") + "NaN,NA\n"))
    assert splits.class_names == ("NA", "None", "null")
    assert "NaN" in [*splits.train.inputs, *splits.test.inputs]


def test_texts_of_a_megabyte_are_kept_whole(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    long = "word " * 200_000
    splits = load(tmp_path, write(tmp_path, HEAD + f"{long},a\n{long}!,b\n" + TWO))
    assert max(map(len, [*splits.train.inputs, *splits.test.inputs])) == len(long) + 1
    assert csv.field_size_limit() == limit


def test_lone_surrogates_are_mended_and_counted(tmp_path: Path) -> None:
    lines = [
        r'{"text": "broken \ud800 here", "label": "a"}',
        r'{"text": "whole \ud83d\ude00", "label": "b"}',
        *(json.dumps({"text": f"{k} {i}", "label": k}) for i in range(4) for k in "ab"),
        r'{"text": "label too", "label": "\udfff"}',
        r'{"text": "label again", "label": "\udfff"}',
    ]
    splits = load(tmp_path, write(tmp_path, "\n".join(lines), "mine.jsonl"))
    texts = {*splits.train.inputs, *splits.test.inputs}
    assert {"broken \ufffd here", "whole \U0001f600"} <= texts
    assert dict(splits.notes) == {"texts_with_surrogates_mended": 1}
    assert splits.class_names == ("a", "b", "\ufffd")
    for text in texts:
        text.encode("utf-8")


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs two classes or more; found: 'a'"):
        load(tmp_path, write(tmp_path, HEAD + rows("a")))


@pytest.mark.parametrize("text", ["", "text,label\n", "\n\n", "text,label\nx,\ny,\n"])
def test_no_usable_row_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"names no columns|the train split is empty"):
        load(tmp_path, write(tmp_path, text))


def test_a_class_missing_from_a_split_is_named_with_a_mend(tmp_path: Path) -> None:
    data = write(tmp_path, HEAD + rows("a", "b", "c"))
    test = write(tmp_path, HEAD + rows("a", "b"), "test.csv")
    message = "class 'c' stands in no item of the test split; add items of it there"
    with pytest.raises(DataError, match=message):
        load(tmp_path, data, test=test)
    with pytest.raises(DataError, match="class 'c' stands in no item of the train split"):
        load(tmp_path, test, test=data)
    with pytest.raises(DataError, match="class 'once' stands in no item of the test split"):
        load(tmp_path, write(tmp_path, HEAD + TWO + "x,once\n", "rare.csv"))


def test_duplicates_across_splits_are_counted(tmp_path: Path) -> None:
    data = write(tmp_path, HEAD + TWO)
    test = write(tmp_path, HEAD + rows("a", "b", times=1) + "new,b\n", "test.csv")
    splits = load(tmp_path, data, test=test)
    assert (duplicates_across(splits), len(splits.test)) == (2, 3)


def test_whole_numbers_are_read_as_integers(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    splits = load(tmp_path, write(tmp_path, HEAD + rows("1.0", "0.0", "10.", "2e0")))
    assert splits.class_names == ("0", "1", "10", "2")  # sorted as words
    records = [{"text": f"{k} {i}", "label": float(k)} for i in range(4) for k in (0, 3)]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "mine.parquet")
    assert load(tmp_path, "file:mine.parquet").class_names == ("0", "3")


@pytest.mark.parametrize("label", ["0.5", "-1.25", "1e400", "1e-3"])
def test_fractions_look_like_regression(tmp_path: Path, label: str) -> None:
    with pytest.raises(DataError, match="looks like a regression target"):
        load(tmp_path, write(tmp_path, HEAD + rows("1.0", label)))


def test_numbers_among_words_are_words(tmp_path: Path) -> None:
    assert load(tmp_path, write(tmp_path, HEAD + rows("1.5", "n/a"))).class_names == ("1.5", "n/a")


@pytest.mark.parametrize(("value", "what"), [([1, 2], "list"), ({"a": 1}, "dict")])
def test_labels_that_are_no_class(tmp_path: Path, value: object, what: str) -> None:
    lines = "\n".join(json.dumps({"text": str(i), "label": value}) for i in range(4))
    with pytest.raises(DataError, match=rf"\({what}\), not one class per row"):
        load(tmp_path, write(tmp_path, lines, "mine.jsonl"))


def test_inputs_that_are_no_text(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"text": i, "label": "ab"[i % 2]}) for i in range(8))
    with pytest.raises(DataError, match=r"column 'text' holds 0 \(int\) where a text is wanted"):
        load(tmp_path, write(tmp_path, lines, "mine.jsonl"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "a,b,c\n", "line 2: 3 fields, but the header has 2; a text with ',' in it"),
        (HEAD + "a,b\nalone\n", "line 3: 1 fields, but the header has 2"),
        (HEAD + '"never closed,a\nb,b\n', "unexpected end of data; quotes inside"),
        (HEAD + '"one" two,a\n', "line 2: .*quotes inside a quoted text are doubled"),
        ("text,label,text\n1,a,2\n", "two columns are named 'text'"),
    ],
)
def test_broken_csv_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, write(tmp_path, text))


def test_not_utf8_says_so(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"text,label\ncaf\xe9,a\n")
    with pytest.raises(DataError, match="not UTF-8 at byte 14; save it as UTF-8"):
        load(tmp_path, "file:mine.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", "line 2: list, not an object"),
        ("{broken", "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_broken_jsonl_is_told_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, write(tmp_path, '{"text": "x", "label": "a"}\n' + line, "mine.jsonl"))


def test_broken_parquet(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1 this is none")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load(tmp_path, "file:mine.parquet")


def test_line_separators_of_unicode_do_not_cut_texts(tmp_path: Path) -> None:
    lines = [{"text": f"{k}\u2028{i}\x85", "label": k} for i in range(4) for k in "ab"]
    raw = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    splits = load(tmp_path, write(tmp_path, raw, "mine.jsonl"))
    assert all("\u2028" in text for text in splits.test.inputs)
