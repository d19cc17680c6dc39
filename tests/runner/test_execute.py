"""One cell, top to bottom: the firewall, the controls, the cache, and what the record says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench import backbones, methods, tasks
from bench.assets import Lock, pin
from bench.core.errors import DataError, DivergedError
from bench.core.method import MethodSpec, Needs
from bench.core.predictions import ClassPredictions
from bench.core.record import Status
from bench.core.registry import Registry
from bench.core.task import Split
from bench.measure import EnergyWindow
from bench.runner.execute import execute
from bench.runner.plan import validated
from bench.runner.worker import run_cell
from bench.store import Store
from bench.suite_file import parse
from tests.backbones.tiny import save_text
from tests.measure.fakes import FakeClock, FakeNvml
from tests.runner.conftest import digits, plan_of


def test_a_record_says_what_was_done(run_cells):
    (record,) = run_cells(plan_of(digits(budget={"trials": 3})))
    assert record.metrics["accuracy"] > 0.8
    assert record.data.labels == 80
    assert record.data.test == 200
    assert record.data.tuning == "4-fold"
    assert len(record.trials) == 3
    best = max(trial.score for trial in record.trials)
    chosen = next(t for t in record.trials if t.parameters == record.parameters)
    assert chosen.score == best
    assert record.extraction.items == 280
    assert record.extraction.items_per_second > 0
    assert set(record.phases) >= {"load", "extract", "tune", "fit", "predict"}
    assert record.chance["uniform"] == pytest.approx(0.1)
    assert record.provenance.device == "cpu"


def pinned(raw, folder):
    """Digests of what a suite's own files are now."""
    suite, lock = validated(parse(raw, folder / "suite.toml")), Lock(folder / "suite.lock")
    plugins = [backbones.build(entry, folder, {}) for entry in suite.backbones]
    plugins += [tasks.build(entry, folder, {}) for entry in suite.tasks]
    for plugin in plugins:
        for asset in plugin.spec.assets:
            pin(asset, folder, lock)
    return lock.pins


def test_compiled_features_are_kept_apart_and_weights_are_trained_as_they_are(
    run_cells, tmp_path, monkeypatch
):
    monkeypatch.setattr("bench.backbones.compiled.BACKEND", "eager")
    save_text(tmp_path / "tiny")
    texts = [
        (f"the {animal} {verb} on the mat", animal)
        for animal in ("cat", "dog")
        for verb in ("sat", "ran", "sat fast", "ran fast", "sat slow", "ran slow")
    ]
    rows = "".join(f"{text},{label}\n" for text, label in texts)
    (tmp_path / "data.csv").write_text(f"input,label\n{rows}")
    raw = {
        "task": [
            {
                "name": "own",
                "modality": "text",
                "data": "file:data.csv",
                "input": "input",
                "label": "label",
            }
        ],
        "backbone": [{"name": "file:tiny", "label": "tiny"}],
        "method": [{"name": "probe"}, {"name": "finetune", "epochs": 1}],
    }
    pins = pinned({**raw, "suite": {"name": "c"}}, tmp_path)
    records = [
        run_cells(plan_of({**raw, "suite": {"name": "c", "compile": c}}, tmp_path, pins))
        for c in (False, True)
    ]
    for plain, compiled in zip(*records, strict=True):
        assert compiled.identity["compile"] is True
        assert compiled.run_id != plain.run_id
        assert compiled.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=1e-3)
    assert records[1][0].extraction.items_computed > 0


def test_a_cache_hit_is_charged_and_is_no_throughput(run_cells):
    raw = digits()
    raw["method"] = [{"name": "probe"}, {"name": "knn"}]
    first, second = run_cells(plan_of(raw))
    assert first.extraction.items_computed == 280
    assert second.extraction.items_computed == 0
    assert second.extraction.items_per_second is None
    assert second.extraction.seconds_charged == pytest.approx(first.extraction.seconds_charged)
    assert second.seconds_charged >= second.extraction.seconds_charged


def test_the_same_cell_twice_gives_the_same_predictions(tmp_path, workbench):
    raw = digits()
    raw["method"] = [{"name": "head-sgd", "epochs": 3}]
    (cell,) = plan_of(raw).cells
    first, second = execute(cell, 1, workbench), execute(cell, 2, workbench)
    np.testing.assert_array_equal(first.predictions.probabilities, second.predictions.probabilities)


def test_draws_share_the_test_items_and_differ_in_training(run_cells):
    one, two = run_cells(plan_of(digits(draws=2)))
    assert one.data.test == two.data.test
    assert one.extraction.items_computed == 280
    assert two.extraction.items_computed <= 80  # the test items are not extracted again
    assert one.metrics != two.metrics


def test_controls_behave(run_cells):
    controls = ["shuffled-labels", "self"]
    raw = digits(draws=3, controls=controls)
    raw["task"][0]["train"] = {"per_class": 32}
    raw["method"] = [{"name": "ridge"}]
    records = run_cells(plan_of(raw))
    by = {c: [r for r in records if r.control == c] for c in (None, *controls)}
    kappas = [r.metrics["kappa"] for r in by["shuffled-labels"]]
    assert abs(np.mean(kappas)) < 0.1  # 3 x 200 items, chance 1/10: three standard errors
    assert np.mean([r.metrics["kappa"] for r in by[None]]) > 0.8
    same = zip(by[None], by["self"], strict=True)
    assert all(a.metrics == b.metrics for a, b in same)  # deterministic: another seed ties


def test_energy_is_of_the_phases_where_a_counter_tells(tmp_path, workbench):
    (cell,) = plan_of(digits()).cells
    plain = execute(cell, 1, workbench).record
    assert plain.energy_joules is None
    nvml = FakeNvml(clock := FakeClock())
    workbench.energy_window = lambda _: TenSeconds(
        "cuda", uuid="GPU-1", nvml=nvml, clock=clock, synchronise=lambda: None
    )
    record = execute(cell, 1, workbench).record
    assert record.energy_joules == pytest.approx(7000)
    assert nvml.open == 0
    store = Store(tmp_path / "runs")
    store.add(record)
    assert store.records()[0].energy_joules == record.energy_joules


def test_data_that_are_no_longer_those_of_the_plan_are_not_scored(workbench):
    (cell,) = plan_of(digits()).cells
    with pytest.raises(DataError, match="have changed since this run was planned"):
        execute(dataclasses.replace(cell, fingerprint="0" * 64), 1, workbench)


class TenSeconds(EnergyWindow):
    """In which the cell seems to take ten seconds."""

    def stop(self):
        self._clock.now += 10.0
        return super().stop()


class Spy:
    """A method that keeps what it was shown."""

    spec = MethodSpec(name="spy", version=1, summary="", needs=Needs.INPUTS)

    def __init__(self):
        self.fitted, self.asked = [], []

    def fit(self, parameters, train, validation, context):
        self.fitted.append((train, validation))
        self.classes = context.classes
        return self

    def predict(self, inputs):
        self.asked.append(inputs)
        rows = np.full((len(inputs), self.classes), 1 / self.classes, dtype=np.float32)
        return ClassPredictions(rows)


@pytest.fixture
def register(monkeypatch):
    def put(method):
        registry = Registry("method", [method, *methods.registry().values()])
        monkeypatch.setattr(methods, "registry", lambda: registry)
        return method

    return put


def test_the_firewall(register, workbench):
    """A method is given test inputs without their labels, and after it has been fitted."""
    spy = register(Spy())
    raw = digits()
    raw["method"] = [{"name": "spy"}]
    (cell,) = plan_of(raw).cells
    result = execute(cell, 1, workbench)
    ((train, validation),) = spy.fitted
    assert isinstance(train, Split)
    assert validation is None
    (asked,) = spy.asked
    assert isinstance(asked, list)
    assert all(isinstance(item, np.ndarray) for item in asked)
    test = {item.tobytes() for item in asked}
    assert len(test & {item.tobytes() for item in train.inputs}) <= 1  # digits repeats few images
    assert len(result.targets) == len(asked)


class Diverging(Spy):
    spec = dataclasses.replace(Spy.spec, name="diverging")

    def predict(self, inputs):
        return ClassPredictions(np.full((len(inputs), self.classes), np.nan, dtype=np.float32))


class Raising(Spy):
    spec = dataclasses.replace(Spy.spec, name="raising")

    def fit(self, parameters, train, validation, context):
        raise RuntimeError("broken in /home/somebody/secret/place.py")


class Unnormalised(Spy):
    spec = dataclasses.replace(Spy.spec, name="unnormalised")

    def predict(self, inputs):
        return ClassPredictions(np.ones((len(inputs), self.classes), dtype=np.float32))


@pytest.mark.parametrize(
    ("kind", "method"),
    [("diverged", Diverging), ("RuntimeError", Raising), ("diverged", Unnormalised)],
)
def test_a_failure_is_kept_and_named(register, workbench, tmp_path, kind, method):
    register(method())
    raw = digits()
    raw["method"] = [{"name": method.spec.name}]
    (cell,) = plan_of(raw).cells
    store = Store(tmp_path / "runs")
    record = run_cell(cell, workbench, store)
    assert record.status is Status.FAILED
    assert record.failure.kind == kind
    assert record.metrics == {}
    assert "/home/" not in record.failure.message
    assert store.records() == [record]
    assert run_cell(cell, workbench, store).attempt == 2


class FailsAtFirst(Spy):
    spec = dataclasses.replace(
        Spy.spec,
        name="fails-at-first",
        parameters=methods.registry()["probe"].spec.parameters[:1],
        search_space=({}, {"C": 1.0}),
    )

    def fit(self, parameters, train, validation, context):
        if parameters["C"] == 10.0:
            raise DivergedError("too large")
        return super().fit(parameters, train, validation, context)


def test_a_failed_trial_costs_that_trial(register, workbench):
    register(FailsAtFirst())
    raw = digits(budget={"trials": 2})
    raw["method"] = [{"name": "fails-at-first"}]
    (cell,) = plan_of(raw).cells
    record = execute(cell, 1, workbench).record
    assert record.parameters["C"] == 1.0
    assert [trial.failure for trial in record.trials] == ["too large", None]


def test_logme_is_of_the_labelled_items_and_the_same_for_every_method(run_cells):
    raw = digits(controls=["shuffled-labels"])
    raw["method"] = [{"name": "probe"}, {"name": "knn"}]
    records = run_cells(plan_of(raw))
    plain = [r for r in records if r.control is None]
    shuffled = [r for r in records if r.control == "shuffled-labels"]
    assert len({r.transferability["logme"] for r in plain}) == 1
    assert np.isfinite(plain[0].transferability["logme"])
    assert shuffled
    assert all(r.transferability == {} for r in shuffled)
