"""What a run id is of, what the cache may say, and that failures stay in sight."""

from __future__ import annotations

import csv
import io
import json
import random

import numpy as np
import pytest

import bench
from bench.core.method import Needs
from bench.core.record import Status
from bench.core.task import Modality
from bench.methods import registry
from bench.runner.plan import make_plan, validated
from bench.runner.run import Options, run_suite
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.store import Store
from bench.suite_file import parse
from tests.faults.kit import times
from tests.runner.conftest import digits, plan_of
from tests.runner.in_process import InProcess
from tests.trainable import TICKETS, Kit

QUICK = {
    "head-sgd": {"epochs": 3},
    "finetune": {"least_steps": 3, "epochs": 1, "batch_size": 64},
    "lora": {"least_steps": 3, "epochs": 1, "batch_size": 64},
    "setfit": {"most_pairs": 64},
    "reinforce": {"feedbacks": 200},
    "reinforce-lora": {"feedbacks": 100},
}


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return Kit(tmp_path_factory.mktemp("models"))


@pytest.mark.fault(26, "the same cell with the same seed twice: the same bits on a CPU")
@pytest.mark.parametrize("name", ["probe", "knn", *QUICK])
def test_the_same_seed_gives_the_same_predictions(kit, trials, name):
    train, test, _ = kit.splits[Modality.TEXT]
    method = registry()[name]
    needs = Needs.MODULE if method.spec.needs is Needs.MODULE else Needs.FEATURES
    parameters = {**method.spec.defaults, **QUICK.get(name, {})}
    rows = []
    for _ in range(2):
        context = kit.context(Modality.TEXT, needs, seed=3)
        rows.append(method.fit(parameters, train, None, context).predict(test.inputs))
    with trials.one():
        assert np.array_equal(rows[0].probabilities, rows[1].probabilities)


@pytest.mark.slow
@pytest.mark.fault(26, "the same suite in two processes, deterministic asked for")
def test_two_processes_give_the_same_predictions(tmp_path, suite_file, trials):
    text = """
[suite]
name = "twice"
draws = 2
deterministic = true
[[task]]
name = "digits"
train = { per_class = 4 }
test_size = 100
[[backbone]]
name = "raw-pixels"
[[method]]
name = "head-sgd"
epochs = 5
"""
    path = suite_file(text)
    with trials.one():
        runs = [run_suite(path, Options(tmp_path / name, "cpu")) for name in ("one", "two")]
        one, two = ({r.run_id: r.predictions for r in run.records} for run in runs)
        assert one == two
        assert all(r.provenance.deterministic for run in runs for r in run.records)


CHANGES = {
    "model": lambda raw: raw["backbone"][0].update(name="minilm-l6"),
    "setting of a model": lambda raw: raw["backbone"][0].update(pooling="cls"),
    "seed": lambda raw: raw["suite"].update(seeds=2),
    "parameter": lambda raw: raw["method"][0].update(C=2.0),
    "method": lambda raw: raw.update(method=[{"name": "ridge"}]),
    "labels": lambda raw: raw["task"][0]["train"].update(per_class=5),
    "test size": lambda raw: raw["task"][0].update(test_size=99),
    "trials": lambda raw: raw["suite"].update(budget={"trials": 3}),
    "precision": lambda raw: raw["suite"].update(precision="bf16"),
    "algorithms": lambda raw: raw["suite"].update(deterministic=True),
}


def tickets(data: str = f"file:{TICKETS}") -> dict:
    """A suite on data of the user's own, with everything that may be changed."""
    task = {"name": "t", "data": data, "input": "body", "label": "queue", "test_size": 50}
    return {
        "suite": {"name": "s", "budget": {"trials": 2}},
        "task": [{**task, "train": {"per_class": 4}}],
        "backbone": [{"name": "mpnet-base"}],
        "method": [{"name": "probe", "C": 1.0}],
    }


def ids(raw: dict, pins: dict[str, str]) -> set[str]:
    plan = make_plan(validated(parse(raw, TICKETS.parent / "suite.toml")), pins)
    return {cell.run_id for cell in plan.cells}


@pytest.mark.fault(27, "a changed model, seed, byte of data or parameter: another id")
@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_the_score_changes_the_id(trials, what):
    pins = {f"file:{TICKETS}": "a" * 64}
    raw = tickets()
    if what == "seed":
        raw["method"][0] = {"name": "head-sgd"}
    before = ids(raw, pins)
    CHANGES[what](raw)
    with trials.one():
        after = ids(raw, pins)
        assert (after > before) if what == "seed" else after.isdisjoint(before)


@pytest.mark.fault(27, "one byte of data")
def test_one_byte_of_data_changes_the_id(tmp_path, trials):
    from bench.assets import digest_file

    data = bytearray(TICKETS.read_bytes())
    uri = f"file:{tmp_path / 'tickets.csv'}"
    chance = random.Random(0)
    seen: set[str] = set()
    for _ in range(times(5, 200)):
        data[chance.randrange(len(data))] ^= 1
        (tmp_path / "tickets.csv").write_bytes(data)
        with trials.one():
            (found,) = ids(tickets(uri), {uri: digest_file(tmp_path / "tickets.csv")})
            assert found not in seen
            seen.add(found)


def turned(value, chance: random.Random):
    """The same tables with their keys in another order."""
    if isinstance(value, dict):
        keys = chance.sample(list(value), len(value))
        return {key: turned(value[key], chance) for key in keys}
    return [turned(item, chance) for item in value] if isinstance(value, list) else value


@pytest.mark.fault(28, "reordered keys, another name, folder and label: the same id")
def test_order_and_names_change_nothing(trials):
    pins, chance = {f"file:{TICKETS}": "a" * 64}, random.Random(0)
    before = ids(tickets(), pins)
    for _ in range(times(10, 200)):
        with trials.one():
            raw = turned(tickets(), chance)
            raw["suite"].update(name="other", description="x", retries=3)
            raw["method"][0]["label"] = "mine"
            assert ids(raw, pins) == before


@pytest.mark.fault(31, "a cached extraction is never shown as throughput")
def test_a_cache_hit_is_no_throughput(tmp_path, suite_file, trials, monkeypatch):
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cpu")
    text = "\n".join(
        f"[{'suite' if head == 'suite' else f'[{head}]'}]\n{body}"
        for head, body in (
            ("suite", 'name = "cached"'),
            ("task", 'name = "digits"\ntrain = { per_class = 4 }\ntest_size = 50'),
            ("backbone", 'name = "raw-pixels"'),
            ("method", 'name = "centroid"'),
        )
    )
    path = suite_file(text)

    def engine(store, _cache, _placement):
        return InProcess(store, tmp_path / "cache")

    frames = []
    for name in ("first", "second"):
        outcome = run_suite(path, Options(tmp_path / name, "cpu"), engine=engine)
        frames.append((bench.leaderboard(outcome.folder), outcome.records[0]))
    (fresh, one), (cached, two) = frames
    with trials.one():
        assert fresh["throughput"][0] > 0
        assert one.extraction.items_computed == one.extraction.items
        assert np.isnan(cached["throughput"][0])
        assert two.extraction.items_computed == 0
        assert two.extraction.seconds_charged > 0


@pytest.fixture
def broken(tmp_path, suite_file, monkeypatch):
    """A run in which one entrant failed everywhere and another in one of three draws."""
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cpu")
    raw = digits(draws=3)
    raw["method"] = [{"name": name} for name in ("centroid", "knn", "ridge")]
    plan, store = plan_of(raw), Store(tmp_path / "runs")
    workbench = Workbench("cpu", tmp_path / "cache", lambda *_: None, store)

    def fail(*_given):
        raise ValueError("of the test")

    for cell in plan.cells:
        fails = cell.method_label == "knn" or (cell.method_label == "ridge" and cell.draw == 1)
        with monkeypatch.context() as patch:
            if fails:
                patch.setattr(type(registry()[cell.method.name]), "fit", fail)
            record = run_cell(cell, workbench, store)
        assert (record.status is Status.FAILED) == fails
    store.write_suite({"name": "t", "version": 1, "cells": [c.run_id for c in plan.cells]})
    return store


@pytest.mark.fault(32, "failed cells are in every table and in no ranking")
@pytest.mark.parametrize("form", ["frame", "md", "csv", "latex", "json"])
def test_failed_cells_stay_in_sight(broken, trials, form):
    with trials.one():
        frame = bench.leaderboard(broken.folder).set_index("method")
        assert frame.loc["knn", "status"] != "ok"
        assert not frame.loc["ridge", "complete"]
        assert frame.loc[["knn", "ridge"], "rank"].isna().all()
        assert frame.loc["centroid", "rank"] == 1
        if form == "frame":
            return
        text = bench.table(broken.folder, form)
        assert "knn" in text
        assert "ridge" in text
        assert "fail" in text.lower()
        if form == "csv":
            rows = {row["method"]: row for row in csv.DictReader(io.StringIO(text))}
            assert not rows["knn"]["rank"]
        if form == "json":
            assert "knn" in json.dumps(json.loads(text))
