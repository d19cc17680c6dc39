"""MTEB's result file: its form, its values, and what is none of its results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bench import tasks
from bench.core.errors import UserError
from bench.export import export
from bench.export.mteb import HEAD, PROTOCOLS, follows, weighted_f1
from bench.runner.run import plan_suite
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.store import Store
from tests.tasks.loaded import splits_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results/mteb-banking77"
FILE = FOLDER / "mteb/minilm-l6__mteb-probe/Banking77Classification.json"
TOLERANCE = 1e-6  # as tests/test_published.py has it for the records themselves
TRUTH = json.loads((ROOT / "tests/data/mteb-banking77-minilm-l6.json").read_text())


def test_it_says_what_mteb_published():
    found = json.loads(FILE.read_text(encoding="utf-8"))
    assert found["task_name"] == "Banking77Classification"
    assert found["mteb_version"] is None  # not its code
    ((scores,),) = found["scores"].values()
    assert list(found["scores"]) == ["test"]
    assert scores["main_score"] == pytest.approx(fmean(TRUTH["accuracy"]), abs=TOLERANCE)
    assert scores["f1"] == pytest.approx(fmean(TRUTH["macro_f1"]), abs=TOLERANCE)
    each = scores["scores_per_experiment"]
    assert [one["accuracy"] for one in each] == pytest.approx(TRUTH["accuracy"], abs=TOLERANCE)
    assert [one["f1"] for one in each] == pytest.approx(TRUTH["macro_f1"], abs=TOLERANCE)
    assert len(set(scores["run_ids"])) == len(each) == 10
    assert (scores["hf_subset"], scores["languages"]) == ("default", ["eng-Latn"])


def test_the_command_gives_the_published_file():
    assert export(FOLDER, "mteb") == FILE.read_text(encoding="utf-8")


def test_mtebs_own_class_reads_it():
    results = pytest.importorskip(
        "mteb.results", reason="mteb is not installed: pip install 'adaptbench[peers]'",
        exc_type=ImportError,
    )  # fmt: skip
    found = results.TaskResult.from_disk(FILE)
    assert found.get_score() == pytest.approx(fmean(TRUTH["accuracy"]), abs=TOLERANCE)
    again = results.TaskResult.from_dict(found.to_dict())
    assert again.scores == found.scores
    kept = found.validate_and_filter_scores()  # against the task as mteb has it
    assert list(kept.scores) == ["test"]
    assert found.task.metadata.revision == found.dataset_revision
    assert found.task.n_experiments == PROTOCOLS["banking77"].experiments
    assert found.task.samples_per_label == PROTOCOLS["banking77"].per_class


def test_weighted_f1_is_scikit_learns():
    store = Store(FOLDER)
    items = store.predictions(store.final()[0])
    expected = f1_score(items.true, items.predicted, average="weighted")
    assert weighted_f1(items) == pytest.approx(expected, abs=1e-12)
    odd = replace(items, predicted=np.zeros_like(items.predicted))
    expected = f1_score(odd.true, odd.predicted, average="weighted", zero_division=0)
    assert weighted_f1(odd) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"test_size": 500},
        {"trials": 4},
        {"control": "shuffled-labels"},
        {"data": "0" * 64},
        {"train": {"per_class": 8, "size": None, "sampling": "random", "validation_extra": 0}},
        {"method": {"name": "probe", "version": 1, "parameters": {"C": 2.0, "max_iter": 100}}},
        {"method": {"name": "ridge", "version": 1, "parameters": {"C": 1.0, "max_iter": 100}}},
    ],
)
def test_what_was_run_otherwise_is_none_of_mtebs_results(change):
    protocol = PROTOCOLS["banking77"]
    records = sorted(Store(FOLDER).final(), key=lambda record: record.draw)
    assert follows(protocol, records)
    assert not follows(protocol, records[:-1])
    other = replace(records[3], identity={**records[3].identity, **change})
    assert not follows(protocol, [*records[:3], other, *records[4:]])


def test_a_folder_without_one_says_what_is_needed():
    with pytest.raises(UserError, match=r"suites/mteb-banking77\.toml") as caught:
        export(ROOT / "results/order", "mteb")
    said = str(caught.value)
    for part in (
        "banking77 or fsdd",
        "per_class = 8",
        'sampling = "mteb"',
        "draws = 10",
        "C = 1.0",
    ):
        assert part in said
    assert said.count("per_class") == 1
    assert "\n" not in said


@pytest.mark.parametrize("task", PROTOCOLS)
def test_protocols_are_what_mteb_says_they_are(task):
    mteb = pytest.importorskip(
        "mteb",
        reason="mteb is not installed: pip install 'adaptbench[peers]'",
        exc_type=ImportError,
    )
    protocol, spec = PROTOCOLS[task], tasks.registry()[task].spec
    found = mteb.get_task(protocol.name)
    about = found.metadata
    assert (about.dataset["revision"], about.main_score) == (protocol.revision, "accuracy")
    assert (about.eval_splits, about.eval_langs) == (["test"], list(protocol.languages))
    assert (found.samples_per_label, found.n_experiments) == (
        protocol.per_class,
        protocol.experiments,
    )
    head = found.evaluator_model.get_params()
    assert {name: head[name] for name in HEAD} == HEAD
    sizes = {split: of["num_samples"] for split, of in about.descriptive_stats.items()}
    assert sizes == {"train": spec.train_size, "test": spec.test_size}


def test_fsdd_has_mtebs_recordings():
    """Their seconds, as mteb's descriptive statistics have them (2.26, FSDD.json)."""
    splits = splits_of("fsdd")
    for split, total, least, most in (
        (splits.test, 129.25375, 0.1435, 1.14725),
        (splits.train, 1183.04925, 0.143625, 2.28275),
    ):
        seconds = [sound.seconds for sound in split.inputs]
        assert sum(seconds) == pytest.approx(total, abs=1e-9)
        assert (min(seconds), max(seconds)) == (least, most)


SOUND = """
[suite]
name = "sound"
draws = 10
budget = { trials = 1 }
[[task]]
name = "fsdd"
train = { per_class = 8, sampling = "mteb" }
[[backbone]]
name = "log-mel"
[[method]]
name = "probe"
C = 1.0
max_iter = 100
"""


@pytest.mark.slow
def test_sounds_that_were_run_as_mteb_does_are_one_of_its_results(tmp_path):
    splits_of("fsdd")  # or there is nothing to run
    (tmp_path / "sound.toml").write_text(SOUND)
    plan, store = plan_suite(tmp_path / "sound.toml"), Store(tmp_path / "run")
    bench = Workbench("cpu", tmp_path / "cache", lambda *_: None)
    records = [run_cell(cell, bench, store) for cell in plan.cells]
    assert follows(PROTOCOLS["fsdd"], sorted(records, key=lambda record: record.draw))
    store.write_suite({"name": "sound", "version": 1, "draws": 10})
    (tmp_path / "FSDD.json").write_text(export(store.folder, "mteb"))
    (scores,) = json.loads((tmp_path / "FSDD.json").read_text())["scores"]["test"]
    assert "other draws" in scores["note"]
    mean = fmean(record.metrics["accuracy"] for record in records)
    assert scores["main_score"] == pytest.approx(mean)
    results = pytest.importorskip("mteb.results", reason="mteb is not installed")
    found = results.TaskResult.from_disk(tmp_path / "FSDD.json")
    assert list(found.validate_and_filter_scores().scores) == ["test"]
    assert found.get_score() == pytest.approx(mean)
