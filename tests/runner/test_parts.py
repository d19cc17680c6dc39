"""Inputs of several parts through the runner: who looks at what, and what is left without it."""

from __future__ import annotations

import os

import numpy as np
import pytest

from bench.core.record import Status
from bench.core.task import Joined
from bench.runner.parts import predict, present, seen, shares
from bench.runner.run import Options, run_suite
from bench.store import Store
from tests.runner.in_process import in_process

SUITE = """
[suite]
name = "parts"
[[task]]
name = "digit-pairs"
train = { per_class = 6 }
conditions = ["clean", "missing-sound", "missing-image"]
test_size = 100
[[backbone]]
name = "raw-pixels"
[[backbone]]
name = "log-mel"
[[method]]
name = "probe"
[[method]]
name = "ensemble"
label = "late"
members = ["raw-pixels / probe", "log-mel / probe"]
[[method]]
name = "ensemble"
label = "early"
combine = "features"
members = ["raw-pixels / probe", "log-mel / probe"]
[[method]]
name = "gate"
label = "gate"
members = ["raw-pixels / probe", "log-mel / probe"]
[[method]]
name = "tfidf"
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Accuracy, predictions and record of each row, by condition and label."""
    if not os.environ.get("BENCH_MIRROR"):
        pytest.skip("BENCH_MIRROR is not set and the source of fsdd may be out of reach")
    folder = tmp_path_factory.mktemp("parts")
    (folder / "suite.toml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(folder / "cache"))
        patch.setenv("BENCH_MIRROR", os.environ["BENCH_MIRROR"])
        options = Options(folder / "runs", "cpu")
        outcome = run_suite(folder / "suite.toml", options, engine=in_process)
    store = Store(folder / "runs/parts")
    rows = {}
    for record in outcome.records:
        assert record.status is Status.OK, record.failure
        name = record.backbone if record.backbone != "none" else record.method
        condition = record.identity.get("condition") or "clean"
        rows[condition, name] = record.metrics["accuracy"], store.predictions(record)
    return rows


def test_every_row_is_there_under_every_condition(found):
    names = {"raw-pixels", "log-mel", "late", "early", "gate"}
    conditions = {"clean", "missing-sound", "missing-image"}
    assert set(found) == {(c, n) for c in conditions for n in names}


def test_together_they_are_not_worse_than_the_better_one(found):
    better = max(found["clean", name][0] for name in ("raw-pixels", "log-mel"))
    for name in ("late", "early", "gate"):
        assert found["clean", name][0] > better - 0.05


@pytest.mark.parametrize(("gone", "left"), [("sound", "raw-pixels"), ("image", "log-mel")])
def test_what_is_left_is_what_the_other_says(found, gone, left):
    alone, late = (found[f"missing-{gone}", name][1] for name in (left, "late"))
    np.testing.assert_array_equal(alone.predicted, late.predicted)
    np.testing.assert_array_equal(alone.predicted, found["clean", left][1].predicted)
    assert found[f"missing-{gone}", "gate"][0] > found["clean", left][0] / 2


def test_a_part_that_is_gone_tells_nothing(found):
    accuracy, items = found["missing-sound", "log-mel"]
    assert accuracy == pytest.approx(0.1, abs=0.1)
    assert len(set(items.predicted.tolist())) == 1


def test_missing_inputs_get_the_shares_of_the_classes():
    class Fitted:
        def predict(self, inputs):
            raise AssertionError("nothing is there to be looked at")

    prior = shares(np.array([0, 0, 1, 2]), 3)
    rows = predict(Fitted(), [None, None], prior).probabilities
    np.testing.assert_allclose(rows, [[0.5, 0.25, 0.25]] * 2)
    items = [Joined({"a": "x", "b": None})]
    assert present(seen(items, "b")).tolist() == [False]
    assert seen(items, "a") == ["x"]
