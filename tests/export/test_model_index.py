"""The model-index block, read back by huggingface_hub's own classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results

from bench.core.errors import UserError
from bench.export import Chosen, export
from bench.tables import leaderboard

RESULTS = Path(__file__).parents[2] / "results"
HUB_TASKS = {
    "text-classification", "image-classification", "audio-classification",
    "tabular-classification", "automatic-speech-recognition", "other",
}  # fmt: skip
"""Those of the hub's list that tasks here are of; it has about sixty."""
PUBLISHED = sorted(path.parent for path in RESULTS.glob("*/suite.json"))


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_every_published_document_is_one_that_the_hub_takes(folder):
    documents = list(yaml.safe_load_all((folder / "model-index.yaml").read_text(encoding="utf-8")))
    assert documents
    for document in documents:
        name, results = model_index_to_eval_results(document["model-index"])
        card = ModelCardData(model_name=name, eval_results=results)
        assert yaml.safe_load(card.to_yaml()) == document
        text = f"---\n{yaml.safe_dump(document)}---\n# {name}\n"
        assert ModelCard(text).data.eval_results == results
        assert {result.task_type for result in results} <= HUB_TASKS


@pytest.mark.parametrize(
    ("suite", "task", "hub"),
    [
        ("order", "trec", "text-classification"),
        ("vision", "mnist-5k", "image-classification"),
        ("speech", "fsdd", "audio-classification"),
        ("medical", "breast-cancer", "tabular-classification"),
        ("speech", "fsdd-words", "automatic-speech-recognition"),
        ("fusion", "digit-pairs", "other"),
    ],
)
def test_tasks_are_called_what_the_hub_calls_them(suite, task, hub):
    results = [
        result
        for document in yaml.safe_load_all(export(RESULTS / suite, "model-index"))
        for result in model_index_to_eval_results(document["model-index"])[1]
    ]
    assert {result.task_type for result in results if result.dataset_type == task} == {hub}


def test_its_values_are_those_of_the_leaderboard():
    frame = leaderboard(RESULTS / "order")
    chosen = Chosen(backbone="minilm-l6", method="probe")
    (document,) = yaml.safe_load_all(export(RESULTS / "order", "model-index", chosen))
    _, results = model_index_to_eval_results(document["model-index"])
    assert len(results) == 6  # three tasks, accuracy and macro F1
    rows = frame[(frame.backbone == "minilm-l6") & (frame.method == "probe")]
    for _, row in rows.iterrows():
        (found,) = (
            r for r in results if r.dataset_type == row["task"] and r.metric_type == "accuracy"
        )
        assert found.metric_value == pytest.approx(row["value"], abs=1e-9)
        assert found.metric_args["interval_95"] == pytest.approx(
            [row["low"], row["high"]], abs=1e-9
        )
        assert (found.metric_args["draws"], found.metric_args["test_items"]) == (20, row["n"])
        assert tuple(found.dataset_args["records"]) == row["run_ids"]


def test_controls_are_in_no_card():
    names = {
        document["model-index"][0]["name"]
        for document in yaml.safe_load_all(export(RESULTS / "smoke", "model-index"))
    }
    assert names == {
        "minilm-l6 / head-sgd", "minilm-l6 / probe", "none / tfidf", "raw-pixels / head-sgd",
        "raw-pixels / probe",
    }  # fmt: skip


def test_names_without_a_result_say_what_is_near():
    with pytest.raises(UserError, match="did you mean 'minilm-l6'"):
        export(RESULTS / "order", "model-index", Chosen(backbone="minilm-l7"))
    with pytest.raises(UserError, match="did you mean 'model-index'"):
        export(RESULTS / "order", "model-indx")
