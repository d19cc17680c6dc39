"""The user's own data: forms, columns, and ways to divide."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from bench.core.errors import DataError, DigestMismatchError, UserError
from bench.core.suite import TaskEntry
from bench.suite_file import read
from bench.tasks import build, duplicates_across

from .own import load, make, rows, write

EXAMPLES = Path(__file__).parents[2] / "examples"
TWO = rows("a", "b")


def test_a_csv_with_the_usual_columns_needs_nothing_else(tmp_path: Path) -> None:
    splits = load(tmp_path, write(tmp_path, "text,label\n" + TWO))
    assert splits.class_names == ("a", "b")
    assert (len(splits.train), len(splits.test)) == (6, 2)
    assert dict(splits.notes) == {}
    assert splits.train.groups is None
    for split in (splits.train, splits.test):
        for text, target in zip(split.inputs, split.targets, strict=True):
            assert text.startswith(splits.class_names[target])


def test_every_form_gives_the_same_splits(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = [line.split(",") for line in TWO.splitlines()]
    records = [{"text": text, "label": label} for text, label in table]
    jsonl = "\n".join(json.dumps(record) for record in records)
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "mine.parquet")
    found = [
        load(tmp_path, uri)
        for uri in (
            write(tmp_path, "text,label\n" + TWO),
            write(tmp_path, "\ufefftext,label\r\n" + TWO.replace("\n", "\r\n"), "bom.csv"),
            write(tmp_path, "text\tlabel\n" + TWO.replace(",", "\t"), "mine.tsv"),
            write(tmp_path, jsonl, "mine.jsonl"),
            "file:mine.parquet",
        )
    ]
    for other in found[1:]:
        assert other.train.inputs == found[0].train.inputs
        np.testing.assert_array_equal(other.test.targets, found[0].test.targets)


def test_the_fingerprint_holds_what_decides_the_splits(tmp_path: Path) -> None:
    uri = write(tmp_path, "text,label,who\n" + TWO.replace("\n", ",x\n"))
    base = make(tmp_path, uri).spec.fingerprint
    assert make(tmp_path, uri, input="text", label="label").spec.fingerprint == base
    assert make(tmp_path, f"file:./{uri[5:]}").spec.fingerprint == base
    assert make(tmp_path, uri, test_share=0.5).spec.fingerprint != base
    assert make(tmp_path, uri, group="who").spec.fingerprint != base
    assert make(tmp_path, uri, label="who").spec.fingerprint != base
    named = make(tmp_path, uri, class_names={"a": "apple"}).spec.fingerprint
    assert len({base, named, make(tmp_path, uri, class_names={"a": "ape"}).spec.fingerprint}) == 3
    (tmp_path / "mine.csv").write_text("text,label,who\n" + TWO.replace("\n", ",y\n"))
    assert make(tmp_path, uri).spec.fingerprint != base


def test_the_folder_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    found = set()
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        found.add(make(folder, write(folder, "text,label\n" + TWO)).spec.fingerprint)
    assert len(found) == 1


def test_a_file_above_the_suite_is_pinned_too(tmp_path: Path) -> None:
    write(tmp_path, "text,label\n" + TWO)
    suite = tmp_path / "suites"
    suite.mkdir()
    assert len(load(suite, "file:../mine.csv").test) == 2


def test_a_changed_file_does_not_pass_for_the_pinned_one(tmp_path: Path) -> None:
    task = make(tmp_path, write(tmp_path, "text,label\n" + TWO))
    write(tmp_path, "text,label\n" + rows("a", "c"))
    with pytest.raises(DigestMismatchError):
        task.load()


def test_own_test_file(tmp_path: Path) -> None:
    data = write(tmp_path, "text,label\n" + TWO)
    test = write(tmp_path, "label,text\nb,new\na,a text 0\n", "test.csv")
    splits = load(tmp_path, data, test=test)
    assert splits.test.inputs == ["new", "a text 0"]
    assert splits.train.inputs == [line.split(",")[0] for line in TWO.splitlines()]
    assert duplicates_across(splits) == 1


def test_split_column_with_validation_folded_into_train(tmp_path: Path) -> None:
    text = "text,label,part\n1,a,train\n2,b,Train\n3,a,dev\n4,b,validation\n5,a,test\n6,b, test\n"
    splits = load(tmp_path, write(tmp_path, text), split="part")
    assert splits.train.inputs == ["1", "2", "3", "4"]
    assert splits.test.inputs == ["5", "6"]
    assert dict(splits.notes) == {"validation_in_train": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,a,train\n2,b,holdout\n", "holds 'holdout'; it may hold train, test and validation"),
        ("1,a,train\n2,b,\n", "holds ''"),
        ("1,a,train\n2,b,train\n", "has no row of 'test'"),
        ("1,a,test\n2,b,test\n", "has no row of 'train'"),
    ],
)
def test_split_column_with_anything_else(tmp_path: Path, text: str, message: str) -> None:
    uri = write(tmp_path, "text,label,part\n" + text)
    with pytest.raises(DataError, match=message):
        load(tmp_path, uri, split="part")


def test_groups_stay_together(tmp_path: Path) -> None:
    lines = "".join(f"text {i},{'ab'[i % 2]},customer {i // 4}\n" for i in range(80))
    splits = load(tmp_path, write(tmp_path, "text,label,who\n" + lines), group="who")
    assert splits.train.groups is not None
    assert splits.test.groups is not None
    assert not set(splits.train.groups.tolist()) & set(splits.test.groups.tolist())
    assert len(splits.test) == 20


def test_groups_are_checked_where_something_else_divides(tmp_path: Path) -> None:
    text = "text,label,part,who\n1,a,train,x\n2,b,train,y\n3,a,test,x\n4,b,test,z\n"
    with pytest.raises(DataError, match="1 groups stand in train and in test"):
        load(tmp_path, write(tmp_path, text), split="part", group="who")


@pytest.mark.parametrize(
    "moment",
    [
        lambda i: f"2026-01-{i + 1:02d}",
        lambda i: f"2026-01-01T{i:02d}:00:00+02:00",
        lambda i: f"{i * 5}",  # 5 < 15 as numbers, not as text
        lambda i: f"{i}.5",
    ],
)
def test_the_latest_are_the_test(tmp_path: Path, moment) -> None:
    lines = [f"text {i},{'ab'[i % 2]},{moment(i)}\n" for i in range(20)]
    splits = load(tmp_path, write(tmp_path, "text,label,at\n" + "".join(lines[::-1])), time="at")
    assert splits.test.inputs == [f"text {i}" for i in range(15, 20)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("03/04/2026", "holds '03/04/2026'; write dates as 2026-01-31"),
        ("", "holds ''"),
        ("nan", "holds 'nan'"),
        ("7", "mixes dates without a time zone and numbers"),
        ("2026-01-01T00:00:00Z", "mixes dates with a time zone and dates without a time zone"),
    ],
)
def test_times_that_do_not_sort_are_refused(tmp_path: Path, value: str, message: str) -> None:
    text = f"text,label,at\n1,a,2026-01-01\n2,b,{value}\n"
    with pytest.raises(DataError, match=message):
        load(tmp_path, write(tmp_path, text), time="at")


def test_readable_class_names(tmp_path: Path) -> None:
    uri = write(tmp_path, "text,label\n" + TWO)
    splits = load(tmp_path, uri, class_names={"a": "zebra"})
    assert splits.class_names == ("zebra", "b")  # ids follow the raw labels
    with pytest.raises(DataError, match="'c', which is no label in the data; known: a, b"):
        load(tmp_path, uri, class_names={"c": "x"})
    with pytest.raises(DataError, match="two classes would be named 'b'"):
        load(tmp_path, uri, class_names={"a": "b"})


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    uri = write(tmp_path, "body,queue,seen\n" + TWO.replace("\n", ",1\n"))
    with pytest.raises(DataError, match="input = 'text' is no column; known: body, queue, seen"):
        load(tmp_path, uri)
    with pytest.raises(DataError, match=r"label = 'queues' is no column; did you mean 'queue'\?"):
        load(tmp_path, uri, input="body", label="queues")
    for key in ("split", "group", "time"):
        with pytest.raises(DataError, match=f"{key} = 'sen' is no column; did you mean 'seen'"):
            load(tmp_path, uri, input="body", label="queue", **{key: "sen"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "mine.csv"}, 'write "file:mine.csv"'),
        ({"data": "hub:models/a/b"}, "no known beginning"),
        ({"data": "file:none.csv"}, "is not there"),
        ({"data": "file:mine.csv", "test": "file:none.csv"}, "test = 'file:none.csv' is not there"),
        ({"data": "file:mine.csv", "test_share": 1.0}, "leaves nothing to train on"),
    ],
)
def test_entries_that_cannot_be(tmp_path: Path, settings: dict, message: str) -> None:
    write(tmp_path, "text,label\n" + TWO)
    with pytest.raises(UserError, match=message):
        build(TaskEntry(name="mine", **settings), tmp_path, {})


def test_other_forms_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"'.xlsx' are not read; known: .csv, .tsv, .jsonl"):
        load(tmp_path, "file:mine.xlsx")


def test_a_registered_name_needs_no_data(tmp_path: Path) -> None:
    assert build(TaskEntry(name="digits"), tmp_path, {}).spec.name == "digits"
    with pytest.raises(UserError, match="did you mean 'digits'"):
        build(TaskEntry(name="digit"), tmp_path, {})


def test_the_example_suite(tmp_path: Path) -> None:
    suite = read(EXAMPLES / "tickets.toml").suite
    assert suite is not None
    (entry,) = suite.tasks
    data = "file:" + str(EXAMPLES / "tickets.csv")
    splits = make(tmp_path, data, **_given(entry)).load()
    assert (len(splits.train), len(splits.test)) == (144, 96)
    assert splits.class_names == ("account", "billing", "shipping", "technical problem")
    assert set(np.bincount(splits.test.targets)) == {24}
    assert min(np.bincount(splits.train.targets)) >= 16
    assert duplicates_across(splits) == 0
    assert dict(splits.notes) == {}


def _given(entry: TaskEntry) -> dict:
    names = ("input", "label", "time", "test_share", "class_names", "modality")
    return {name: dataclasses.asdict(entry)[name] for name in names}


@pytest.mark.parametrize("step", [dt.timedelta(days=1), dt.timedelta(hours=1)])
@pytest.mark.parametrize("kind", [dt.date, dt.datetime])
def test_times_of_parquet(tmp_path: Path, kind: type, step: dt.timedelta) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    start = dt.datetime(2026, 1, 1)  # noqa: DTZ001 -- as tables have it
    times = [start + i * step * (24 if kind is dt.date else 1) for i in range(8)]
    records = [
        {"text": str(i), "label": "ab"[i % 2], "at": at.date() if kind is dt.date else at}
        for i, at in enumerate(times)
    ]
    pq.write_table(pa.Table.from_pylist(records[::-1]), tmp_path / "mine.parquet")
    assert load(tmp_path, "file:mine.parquet", time="at").test.inputs == ["6", "7"]


@pytest.mark.parametrize("more", [{"input": "body"}, {"label": "queue"}, {"group": "who"}])
def test_a_column_that_is_not_there_is_told_before_anything_runs(tmp_path: Path, more) -> None:
    (key,) = more
    entry = TaskEntry(name="mine", data=write(tmp_path, "text,label\n" + TWO), **more)
    with pytest.raises(UserError, match=f"{key} = '{more[key]}' is no column"):
        build(entry, tmp_path, {})


def test_a_test_file_with_other_columns_is_named(tmp_path: Path) -> None:
    data = write(tmp_path, "text,label\n" + TWO)
    test = write(tmp_path, "body,queue\n" + TWO, "test.csv")
    with pytest.raises(DataError, match=r"test\.csv: input = 'text' is no column"):
        make(tmp_path, data, test=test)
    test = write(tmp_path, '{"body": "x", "label": "a"}', "test.jsonl")
    with pytest.raises(DataError, match=r"test\.jsonl: input = 'text' is no column"):
        load(tmp_path, data, test=test)
