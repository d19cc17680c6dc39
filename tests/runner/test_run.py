"""What is run again and what is not, and on which device: the launcher's decisions."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bench.core.record import Status
from bench.measure import Peak
from bench.runner.progress import JsonLines
from bench.runner.run import Options, run_suite
from bench.runner.workbench import Workbench
from bench.store import Store
from tests.runner.in_process import InProcess

TINY = """
[suite]
name = "tiny"
draws = 3
[[task]]
name = "digits"
train = { per_class = 4 }
test_size = 100
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
"""


@pytest.fixture
def run(tmp_path, suite_file, monkeypatch):
    """Run the suite with an engine's settings; what ran, and the outcome."""
    path = suite_file(TINY)
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cpu")

    def once(options=None, display=None, **settings):
        engines = []

        def make(store, _cache, _placement):
            engines.append(InProcess(store, tmp_path / "cache", **settings))
            return engines[-1]

        options = dataclasses.replace(options or Options(), runs=tmp_path / "runs")
        outcome = run_suite(path, options, display, engine=make)
        return [draw for engine in engines for draw in engine.ran], outcome

    return once


def test_done_is_done(run):
    ran, outcome = run()
    assert ran == [0, 1, 2]
    assert outcome.ran == 3
    assert outcome.forecast.seconds > 0
    assert run()[0] == []


@pytest.mark.parametrize("kind", ["killed", "hung", "out-of-memory"])
def test_a_failure_that_may_pass_is_tried_again_as_often_as_the_suite_says(run, kind):
    ran, outcome = run(fail={1: kind})
    assert ran == [0, 1, 1, 2]
    assert [(r.failure.kind, r.attempt) for r in outcome.failed] == [(kind, 2)]
    assert len(Store(outcome.folder).records()) == 4
    assert run()[0] == []  # as often as that over all runs


@pytest.mark.parametrize("kind", ["diverged", "timeout", "ValueError"])
def test_a_failure_that_would_come_again_is_not_tried_again(run, kind):
    ran, outcome = run(fail={1: kind})
    assert ran == [0, 1, 2]
    assert [r.failure.kind for r in outcome.failed] == [kind]
    assert run()[0] == []


def events(capsys):
    """What JSON lines have told since the last look."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [{key: of for key, of in event.items() if key != "seconds"} for event in found]


def test_programs_are_told_of_failures_that_were_settled_before(run, capsys):
    run(display=JsonLines(), fail={1: "diverged"})
    counts = {"done": 3, "failed": 1, "total": 3}
    told = events(capsys)
    assert [event["event"] for event in told if event["event"] != "say"] == [
        "planned", *["started", "finished"] * 3, "ended",
    ]  # fmt: skip
    assert told[-1] == {"event": "ended", **counts}
    run(display=JsonLines())  # nothing is to do
    planned, ended = events(capsys)
    assert planned == {"event": "planned", **counts, "forecast_seconds": 0.0}
    assert ended == {"event": "ended", **counts}
    run(Options(retry_failed=True), display=JsonLines())
    assert events(capsys)[-1] == {"event": "ended", **counts, "failed": 0}


def test_any_failure_is_tried_again_when_asked(run):
    run(fail={1: "diverged"})
    ran, outcome = run(Options(retry_failed=True))
    assert ran == [1]
    assert outcome.failed == ()
    assert all(record.status is Status.OK for record in outcome.records)


def test_a_score_of_one_device_does_not_stand_for_another(run, monkeypatch):
    run()
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cuda")
    for module in ("bench.measure.environment", "bench.runner.workbench"):
        monkeypatch.setattr(f"{module}.device_name", lambda _device: "a fake card")
    monkeypatch.setattr("bench.runner.execute.reset_peak", lambda _device: None)
    monkeypatch.setattr(
        "bench.runner.execute.peak",
        lambda _device: Peak(bytes_resident=1, bytes_allocated=5, bytes_reserved=7),
    )
    original = Workbench.__init__

    def on_cuda(self, _device, cache, report, store):
        original(self, "cuda", cache, report, store)

    monkeypatch.setattr(Workbench, "__init__", on_cuda)
    monkeypatch.setattr("bench.runner.workbench.extract", _extract_on_cpu)
    ran, outcome = run(on="cuda")
    assert ran == [0, 1, 2]
    assert {r.provenance.device for r in outcome.records} == {"cuda"}
    assert {r.bytes_peak_device for r in outcome.records} == {5}
    assert {r.energy_joules for r in outcome.records} == {None}  # no counter here: no failure
    assert len(Store(outcome.folder).records()) == 6  # those of the CPU are kept


def _extract_on_cpu(backbone, inputs, _device, *report, **more):
    from bench.extract import extract

    return extract(backbone, inputs, "cpu", *report, **more)


def test_a_gpu_that_torch_cannot_use_is_said_and_the_cpu_used(run, monkeypatch, capsys):
    from bench.runner.progress import Lines

    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cuda")
    monkeypatch.setattr("bench.runner.run.Quiet", Lines)
    assert run()[0] == [0, 1, 2]
    assert "running on cpu, not on cuda" in capsys.readouterr().err
    assert run()[0] == []  # what is done on the CPU stays done there
