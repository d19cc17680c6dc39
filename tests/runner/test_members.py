"""A real run of cells that build on others: what is looked up, made again, refused, charged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import save

from bench.core.errors import NotApplicableError
from bench.core.record import Status
from bench.methods.centroid import Centroid
from bench.methods.probe import Probe
from bench.runner.execute import prepare
from bench.runner.members import known_of
from bench.runner.run import Options, run_suite
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.store import Store
from tests.runner.in_process import InProcess

SUITE = """
[suite]
name = "members"
{suite}
[[task]]
name = "digits"
train = {rule}
test_size = 100
[[backbone]]
name = "raw-pixels"
[[method]]
name = "probe"
[[method]]
name = "centroid"
[[method]]
name = "ensemble"
label = "both"
members = ["raw-pixels / probe", "raw-pixels / centroid"]
{ensemble}
"""


@pytest.fixture
def run(tmp_path, suite_file, monkeypatch):
    """Run the suite; which cells ran, and the outcome."""
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cpu")

    def once(suite="", ensemble="", fail=(), rule="{ per_class = 8 }", **options):
        path = suite_file(SUITE.format(suite=suite, ensemble=ensemble, rule=rule))
        engines = []

        def make(store, _cache, _device):
            named = {"fail": fail, "name": lambda cell: cell.method_label}
            engines.append(InProcess(store, tmp_path / "cache", **named))
            return engines[-1]

        outcome = run_suite(path, Options(tmp_path / "runs", **options), engine=make)
        return [label for engine in engines for label in engine.ran], outcome

    return once


@pytest.fixture
def fits(monkeypatch):
    """How often the members' methods are fitted, one by one or in company."""
    counted = []
    one, many, mean = Probe.fit, Probe.fit_many, Centroid.fit

    def counting(original, name):
        def call(self, *given):
            counted.append(name)
            return original(self, *given)

        return call

    monkeypatch.setattr(Probe, "fit", counting(one, "probe"))
    monkeypatch.setattr(Probe, "fit_many", counting(many, "probe"))
    monkeypatch.setattr(Centroid, "fit", counting(mean, "centroid"))
    return counted


def of(outcome, method):
    (record,) = [record for record in outcome.records if record.method == method]
    assert record.status is Status.OK, record.failure
    return record


def again(outcome, tmp_path, method="both"):
    """The cell once more, beside the members that are stored."""
    (cell,) = [cell for cell in outcome.plan.cells if cell.method_label == method]
    store = Store(outcome.folder)
    record = run_cell(cell, Workbench("cpu", tmp_path / "cache", lambda *_: None, store), store)
    assert record.status is Status.OK, record.failure
    return record


def file_of(outcome, record):
    name = f"{record.run_id}.{record.predictions[:16]}.safetensors"
    return outcome.folder / "probabilities" / name


def test_members_predictions_are_looked_up(run, fits, tmp_path):
    ran, outcome = run()
    assert ran == ["probe", "centroid", "both"]
    store, before = Store(outcome.folder), len(fits)
    assert again(outcome, tmp_path).metrics == of(outcome, "both").metrics
    assert len(fits) == before
    rows = [store.probabilities(of(outcome, m))["test"] for m in ("probe", "centroid", "both")]
    np.testing.assert_allclose(rows[2], (rows[0] + rows[1]) / 2, atol=1e-6)
    assert run()[0] == []


@pytest.mark.parametrize("combine", ["weighted", "stack"])
def test_held_out_predictions_of_tuning_are_looked_up(run, fits, tmp_path, combine):
    _, outcome = run("budget = { trials = 3 }", f'combine = "{combine}"')
    before = len(fits)
    assert again(outcome, tmp_path).metrics == of(outcome, "both").metrics
    assert len(fits) == before


@pytest.mark.parametrize("combine", ["mean", "weighted", "stack"])
def test_what_is_gone_is_made_again_and_is_the_same(run, fits, tmp_path, combine):
    _, outcome = run("budget = { trials = 3 }", f'combine = "{combine}"')
    first = Store(outcome.folder).probabilities(of(outcome, "both"))["test"]
    file_of(outcome, of(outcome, "probe")).unlink()
    before = len(fits)
    record = again(outcome, tmp_path)
    assert set(fits[before:]) == {"probe"}
    second = Store(outcome.folder).probabilities(record)["test"]
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert record.metrics["accuracy"] == of(outcome, "both").metrics["accuracy"]


def test_a_damaged_file_is_one_that_is_gone(run, tmp_path):
    _, outcome = run()
    probe = of(outcome, "probe")
    file_of(outcome, probe).write_bytes(b"\xff" * 100)
    assert Store(outcome.folder).probabilities(probe) == {}
    assert again(outcome, tmp_path).metrics == of(outcome, "both").metrics


def test_probabilities_of_other_test_items_are_not_taken_for_these(run, tmp_path):
    _, outcome = run()
    probe = of(outcome, "probe")
    rows = Store(outcome.folder).probabilities(probe)["test"]
    file_of(outcome, probe).write_bytes(save({"test": rows[:50]}))
    bench = Workbench("cpu", tmp_path / "cache", lambda *_: None)
    splits = bench.load(outcome.plan.cells[0]).splits
    positions = np.arange(len(splits.train))
    found = known_of(probe, Store(outcome.folder), splits.test, splits.train, positions)
    assert found == ({}, None)


@pytest.mark.parametrize("kind", ["killed", "diverged"])
def test_a_failed_member_is_named_and_tried_again_when_asked(run, kind):
    ran, outcome = run(fail={"centroid": kind})
    assert ran == ["probe", *["centroid"] * (1 + (kind == "killed")), "both"]
    failures = {record.method: record.failure for record in outcome.failed}
    assert failures["both"].kind == "member-missing"
    assert "raw-pixels / centroid failed" in failures["both"].message
    assert run()[0] == []
    ran, outcome = run(retry_failed=True)
    assert ran == ["centroid", "both"]
    assert outcome.failed == ()


def test_a_cell_whose_member_came_later_is_run(run):
    """As where the first launcher was ended between the two."""
    _, outcome = run(fail={"centroid": "killed"})
    cells = {cell.method_label: cell for cell in outcome.plan.cells}
    bench = Workbench("cpu", outcome.folder / "cache", lambda *_: None)
    run_cell(cells["centroid"], bench, Store(outcome.folder))
    ran, outcome = run()
    assert ran == ["both"]
    assert outcome.failed == ()


def test_a_member_that_has_not_run_is_said_to_be_missing(run, tmp_path):
    _, outcome = run()
    (cell,) = [cell for cell in outcome.plan.cells if cell.members]
    store = Store(tmp_path / "empty")
    record = run_cell(cell, Workbench("cpu", tmp_path / "cache", lambda *_: None, store), store)
    assert record.failure.kind == "member-missing"
    assert "raw-pixels / probe has not run" in record.failure.message


def test_members_are_named_and_charged(run):
    _, outcome = run("budget = { trials = 2 }")
    both, members = of(outcome, "both"), [of(outcome, m) for m in ("probe", "centroid")]
    assert both.members == {f"raw-pixels / {m.method}": m.run_id for m in members}
    assert both.members_seconds >= sum(m.seconds_charged for m in members) > 0
    assert both.seconds_charged > both.members_seconds
    assert both.backbone_parameters == 0  # raw pixels have no weights
    assert both.facts["weight of raw-pixels / probe"] == 0.5
    assert all(m.members == {} and m.members_seconds == 0 for m in members)


def test_what_is_shipped_has_the_members_in_it(run):
    _, outcome = run()
    both, members = of(outcome, "both"), [of(outcome, m) for m in ("probe", "centroid")]
    assert all(m.bytes_shipped > 0 for m in members)
    assert both.bytes_shipped == sum(m.bytes_shipped for m in members) + 2 * 8  # two weights
    assert both.trainable_parameters == sum(m.trainable_parameters for m in members)


def test_features_of_members_side_by_side(run):
    _, outcome = run(ensemble='combine = "features"')
    both = of(outcome, "both")
    assert both.metrics["accuracy"] > 0.8
    assert both.trainable_parameters == 10 * (2 * 784 + 1)  # a head of its own on both, no other


def test_an_ensemble_is_judged_by_what_members_had_not_seen(run):
    """Its held-out predictions are its members' own held-out ones, for it learns from the rest."""
    _, outcome = run("calibrate = true")
    store = Store(outcome.folder)
    probe, centroid, both = (
        store.probabilities(of(outcome, m)) for m in ("probe", "centroid", "both")
    )
    np.testing.assert_array_equal(probe["validation_items"], both["validation_items"])
    mean = (probe["validation"] + centroid["validation"]) / 2
    np.testing.assert_allclose(both["validation"], mean, atol=1e-6)


@pytest.mark.parametrize("combine", ["weighted", "stack"])
def test_it_learns_from_extra_items_where_members_held_those_out(run, tmp_path, combine):
    rule = "{ per_class = 8, validation_extra = 40 }"
    _, outcome = run("budget = { trials = 2 }", f'combine = "{combine}"', rule=rule)
    assert of(outcome, "both").metrics["accuracy"] > 0.7


def test_where_members_held_out_the_same_items_an_ensemble_is_not_calibrated(run):
    """One fold of many labels is held out: what is left of them no member had held out."""
    _, outcome = run("calibrate = true", 'combine = "stack"', rule="{ per_class = 20 }")
    both = of(outcome, "both")
    assert both.data.tuning == "none: the members have no held-out items in common"
    assert "temperature" in of(outcome, "probe").metrics
    assert "temperature" not in both.metrics
    assert both.metrics["accuracy"] > 0.8


def test_a_teacher_in_tuning_has_not_learned_what_its_student_is_judged_by(run):
    """A nearest neighbour knows the label of whatever it has learned: so would its student."""
    _, outcome = run("", 'combine = "mean"')
    (cell,) = [cell for cell in outcome.plan.cells if cell.members]
    bench = Workbench("cpu", outcome.folder / "cache", lambda *_: None, Store(outcome.folder))
    ready = prepare(cell, bench)
    probe = ready.members[0]
    train, held = ready.labelled.take(np.arange(40)), ready.labelled.take(np.arange(40, 80))
    before = probe.predict(held.inputs).probabilities
    apart = probe.apart(train)
    assert probe.apart(train) is apart
    after = apart.predict(held.inputs).probabilities
    true = np.arange(40), held.targets
    assert before[true].mean() > after[true].mean() + 0.05
    with pytest.raises(NotApplicableError, match="nothing was held out"):
        apart.held_out()


def test_calibration_is_told_where_there_was_something_held_out(run):
    _, outcome = run()
    assert "ece" in of(outcome, "probe").metrics
    assert "temperature" not in of(outcome, "probe").metrics
    _, outcome = run("calibrate = true")
    for method in ("probe", "centroid", "both"):
        metrics = of(outcome, method).metrics
        assert metrics["nll_calibrated"] < metrics["nll"] + 0.05
        assert 0.02 < metrics["temperature"] < 50


def test_an_ensemble_of_ensembles_is_wired_through(run, tmp_path):
    more = """
[[method]]
name = "ensemble"
label = "top"
members = ["both", "raw-pixels / probe"]
"""
    ran, outcome = run(ensemble=more)
    assert ran == ["probe", "centroid", "both", "top"]
    store = Store(outcome.folder)
    rows = [store.probabilities(of(outcome, m))["test"] for m in ("both", "probe", "top")]
    np.testing.assert_allclose(rows[2], (rows[0] + rows[1]) / 2, atol=1e-6)
    for method in ("both", "probe"):  # the fit of a member's member is made again, too
        file_of(outcome, of(outcome, method)).unlink()
    assert again(outcome, tmp_path, "top").metrics == pytest.approx(of(outcome, "top").metrics)


def test_find_gives_the_first_success(run):
    _, outcome = run("retries = 0", fail={"probe": "killed"})
    store = Store(outcome.folder)
    probe = next(cell for cell in outcome.plan.cells if cell.method_label == "probe")
    assert store.find(probe.run_id, "cpu").status is Status.FAILED
    assert store.find("0" * 64, "cpu") is None
    _, outcome = run("retries = 0", retry_failed=True)
    found = store.find(probe.run_id, "cpu")
    assert (found.status, found.attempt) == (Status.OK, 2)
    store.add(dataclasses.replace(found, attempt=3, metrics={}))
    assert store.find(probe.run_id, "cpu") == found
    assert store.find(probe.run_id, "cuda") is None
