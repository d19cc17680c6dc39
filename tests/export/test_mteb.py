"""MTEB's result file: its form, its values, and what is none of its results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from sklearn.metrics import f1_score

from bench.core.errors import UserError
from bench.export import export
from bench.export.mteb import PROTOCOLS, follows, weighted_f1
from bench.store import Store

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


def test_a_folder_without_one_says_which_suites_have_them():
    with pytest.raises(UserError, match=r"suites/mteb-banking77\.toml"):
        export(ROOT / "results/order", "mteb")
