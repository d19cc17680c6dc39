"""Records on disk: whole or not at all, first commit wins, damage is named."""

import dataclasses
import gc
import json
import os

import numpy as np
import pytest
from safetensors.numpy import load, save

from bench.core.errors import StoreError, UnstorableError
from bench.core.record import SCHEMA, Failure, Status
from bench.store import Store, codec, copy_final
from bench.store.codec import decode, encode
from bench.store.leases import Leases
from bench.store.predictions import from_bytes
from tests.store_kit import PROVENANCE, predictions, record, with_predictions


def test_round_trip(tmp_path):
    store = Store(tmp_path)
    made, data = with_predictions()
    assert store.add(made, data)
    assert store.records() == [made]
    assert len(store.predictions(made)) == 5


def test_the_first_commit_wins(tmp_path):
    store = Store(tmp_path)
    assert store.add(record(metrics={"accuracy": 0.1}))
    assert not store.add(record(metrics={"accuracy": 0.9}))
    assert store.records()[0].metrics == {"accuracy": 0.1}
    assert not list(tmp_path.rglob(".tmp-*"))


def test_final_prefers_a_success_and_then_the_last(tmp_path):
    store = Store(tmp_path)
    failure = Failure(kind="killed", message="")
    store.add(record(status=Status.FAILED, failure=failure, metrics={}))
    assert store.final()[0].status is Status.FAILED
    store.add(record(attempt=2))
    store.add(record(attempt=3, status=Status.FAILED, failure=failure, metrics={}))
    assert [r.attempt for r in store.final()] == [2]
    assert store.next_attempt("0" * 64) == 4


def test_final_is_of_the_suite_and_device_as_last_run(tmp_path):
    store = Store(tmp_path)
    store.add(record())
    store.add(record(run_id="1" * 64))
    cuda = dataclasses.replace(PROVENANCE, device="cuda")
    store.add(record(run_id="1" * 64, attempt=2, provenance=cuda))
    store.write_suite({"name": "s", "cells": ["1" * 64], "device": "cuda"})
    assert [(r.run_id[0], r.attempt) for r in store.final()] == [("1", 2)]


def test_nan_is_never_stored(tmp_path):
    with pytest.raises(UnstorableError, match=r"metrics\.accuracy: nan"):
        Store(tmp_path).add(record(metrics={"accuracy": float("nan")}))
    assert Store(tmp_path).records() == []


def test_every_flipped_byte_is_found():
    data = encode(record())
    for position in range(0, len(data) - 1, 7):
        damaged = bytearray(data)
        damaged[position] ^= 1
        try:
            read = decode(bytes(damaged), "the file")
        except StoreError as error:
            assert "the file" in str(error)
        else:  # only the wrapping around checksum and body does not matter
            assert read == record()


def test_every_truncation_is_found():
    data = encode(record())
    for length in range(0, len(data) - 2, 11):
        with pytest.raises(StoreError, match="damaged"):
            decode(data[:length], "the file")


def test_a_newer_schema_is_refused_by_name():
    data = encode(record(schema=SCHEMA + 1))
    with pytest.raises(StoreError, match=f"schema {SCHEMA + 1} is newer"):
        decode(data, "the file")


def test_damaged_predictions_are_named(tmp_path):
    store = Store(tmp_path)
    made, data = with_predictions()
    store.add(made, data)
    (path,) = (tmp_path / "predictions").iterdir()
    path.write_bytes(data[:-1])
    with pytest.raises(StoreError, match="damaged"):
        store.predictions(made)
    with pytest.raises(StoreError, match="damaged"):
        from_bytes(b"\xff" * 40, "x")


def test_a_record_of_ten_thousand_items_stays_small():
    assert len(predictions(10_000, 10)) < 64_000


def test_publishing_copies_the_final_records_alone(tmp_path):
    source, target = Store(tmp_path / "runs"), Store(tmp_path / "results")
    made, data = with_predictions()
    source.add(made, data)
    source.add_probabilities(made, b"big")
    source.write_suite({"name": "s", "cells": [made.run_id], "device": "cpu"})
    stale, other = with_predictions(run_id="2" * 64)
    target.add(stale, other)
    copy_final(source, target)
    assert target.records() == [made]
    assert not (target.folder / "probabilities").exists()
    again, data = with_predictions(metrics={"accuracy": 0.25})  # the same cell, run once more
    third = Store(tmp_path / "again")
    third.add(again, data)
    third.write_suite({"name": "s", "cells": [made.run_id], "device": "cpu"})
    copy_final(third, target)
    assert target.records() == [again]
    copy_final(source, target)
    copy_final(target, target)  # publishing in place changes nothing
    assert target.records() == [made]


def test_a_folder_without_a_run_is_said_to_be_one(tmp_path):
    with pytest.raises(StoreError, match="holds no run"):
        Store(tmp_path).suite()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "file"),
        ("[]", "file"),
        ("[" * 100_000, "file"),
        ('{"name": "s", "more": ' + "1" * 5_000 + "}", "file"),
        ("{}", "name"),
        ('{"name": "s", "cells": 5}', "cells"),
        ('{"name": "s", "cells": [["a"]]}', r"cells\.0"),
        ('{"name": "s", "version": "x"}', "version"),
        ('{"name": "s", "labels": [["a"]]}', r"labels\.0\.1"),
        ('{"name": "s", "skipped": ["a"]}', r"skipped\.0"),
        ('{"name": "s", "budget": 5}', "budget"),
    ],
)
def test_a_suite_of_another_form_is_damage(tmp_path, text, where):
    store = Store(tmp_path)
    store.add(record())
    (tmp_path / "suite.json").write_text(text)
    said = rf"suite\.json: damaged \({where}: .*`bench run` of its suite writes it anew"
    for reads in (store.suite, store.final):
        with pytest.raises(StoreError, match=said):
            reads()


def test_predictions_are_what_safetensors_reads():
    for k in (3, 300):
        data = predictions(50, k)
        items, tensors = from_bytes(data, "x"), load(data)
        assert items.classes == k
        for name, tensor in tensors.items():
            ours = getattr(items, name)
            np.testing.assert_array_equal(ours, tensor.astype(ours.dtype))
        assert (items.true.dtype, items.p_true.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("true"),
        lambda header: header.update(other=header["true"]),
        lambda header: header.pop("__metadata__"),
        lambda header: header["true"].update(dtype="F32"),
        lambda header: header["true"].update(shape=[4]),
        lambda header: header["true"].update(data_offsets=[1, 6]),
        lambda header: header["predicted"].update(data_offsets=header["true"]["data_offsets"]),
        lambda header: header["p_true"].update(data_offsets=[-10, 0]),
        lambda header: header["p_true"].update(data_offsets=[1 << 40, (1 << 40) + 10]),
    ],
)
def test_a_header_that_says_something_else_is_damage(change):
    data = predictions()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    change(header)
    made = json.dumps(header).encode()
    with pytest.raises(StoreError, match="x: the predictions are damaged"):
        from_bytes(len(made).to_bytes(8, "little") + made + data[start:], "x")


def test_every_truncation_of_predictions_is_found():
    data = predictions()
    for length in range(len(data)):
        with pytest.raises(StoreError, match="damaged"):
            from_bytes(data[:length], "x")


def test_a_record_of_an_older_schema_is_migrated(monkeypatch):
    """Also where it would pass for one of today."""
    data = encode(record(schema=SCHEMA - 1))
    step = {SCHEMA - 1: lambda plain: {**plain, "schema": SCHEMA, "task": "renamed"}}
    monkeypatch.setattr(codec, "MIGRATIONS", step)
    assert decode(data, "x") == record(task="renamed")


def test_reading_leaves_the_collector_as_it_was(tmp_path):
    store = Store(tmp_path)
    store.add(record())
    (path,) = (tmp_path / "records").iterdir()
    path.write_bytes(b"no record")
    with pytest.raises(StoreError, match="damaged"):
        store.records()
    assert gc.isenabled()


def test_what_another_launcher_commits_meanwhile_costs_no_result(tmp_path):
    store = Store(tmp_path)
    made, data = with_predictions()
    failure = Failure(kind="killed", message="")
    store.add(record(status=Status.FAILED, failure=failure, metrics={}))  # under the number of ours
    added = store.append(made, data)
    assert (added.attempt, store.final()) == (2, [added])
    assert store.append(made, data).attempt == 3


def test_probabilities_are_of_one_attempt_even_where_one_was_killed_before_its_record(tmp_path):
    store = Store(tmp_path)
    killed, _ = with_predictions()
    store.add_probabilities(killed, save({"test": np.zeros((5, 2))}))
    again = dataclasses.replace(killed, predictions="2" * 64)
    store.add_probabilities(again, save({"test": np.ones((5, 2))}))
    assert store.probabilities(again)["test"].all()


def test_publishing_that_is_interrupted_loses_nothing(tmp_path, monkeypatch):
    here = Store(tmp_path)
    made = [with_predictions(run_id=digit * 64)[0] for digit in "123"]
    data = with_predictions()[1]
    for one in made:
        here.add(one, data)
    here.write_suite({"name": "s", "cells": [one.run_id for one in made], "device": "cpu"})
    put, left = Store.put, iter([True])

    def until_now(store, *what):
        if not next(left, False):
            raise KeyboardInterrupt
        put(store, *what)

    monkeypatch.setattr(Store, "put", until_now)
    with pytest.raises(KeyboardInterrupt):
        copy_final(here, here)
    assert here.records() == made
    assert all(len(here.predictions(one)) == 5 for one in made)


def test_whoever_may_read_the_folder_may_read_what_is_in_it(tmp_path):
    before = os.umask(0o022)
    try:
        store = Store(tmp_path)
        store.add(*with_predictions())
        store.write_suite({"name": "s"})
        Leases(tmp_path).claim(["1" * 64])
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*.*")}
    finally:
        os.umask(before)
    assert modes.pop("leases.lock") == 0o666  # is written by all who share the folder
    assert set(modes.values()) == {0o644}


def test_rows_are_called_what_the_suite_calls_them_now(tmp_path):
    store = Store(tmp_path)
    made = record()
    store.add(made)
    suite = {"name": "s", "cells": [made.run_id, "2" * 64], "device": "cpu"}
    store.write_suite(suite)
    assert store.final() == [made]
    store.write_suite({**suite, "labels": [["enc", "strong"], ["enc", "weak"]]})
    (found,) = store.final()
    assert (found.backbone, found.method) == ("enc", "strong")
    assert dataclasses.replace(found, backbone=made.backbone, method=made.method) == made
    assert store.records() == [made]
