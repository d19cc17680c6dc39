"""What is run again and what is not, and on which device: the launcher's decisions."""

from __future__ import annotations

import dataclasses

import pytest

from bench.core.record import Failure, Status
from bench.measure import Peak
from bench.runner.identify import failed
from bench.runner.run import Options, run_suite
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.store import Store

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


class InProcess:
    """An engine without a process, on a device of the test's choice."""

    def __init__(self, store, cache, device, *, on="cpu", fail=()):
        self.store, self.fail, self.ran = store, fail, []
        self.bench = Workbench("cpu", cache, lambda *_: None)
        self.on, self.device = on, ""

    def start(self):
        self.device = self.on

    def run(self, cells, watch):
        for cell in cells:
            self.ran.append(cell.draw)
            if cell.draw in self.fail:
                kind = self.fail[cell.draw]
                attempt = self.store.next_attempt(cell.run_id)
                record = failed(cell, attempt, self.on, Failure(kind=kind, message="of the test"))
                self.store.add(record)
            else:
                record = run_cell(cell, self.bench, self.store)
            yield record

    def close(self):
        pass


@pytest.fixture
def run(tmp_path, suite_file, monkeypatch):
    """Run the suite with an engine's settings; what ran, and the outcome."""
    path = suite_file(TINY)
    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cpu")

    def once(options=None, **settings):
        engines = []

        def make(store, _cache, device):
            engines.append(InProcess(store, tmp_path / "cache", device, **settings))
            return engines[-1]

        options = dataclasses.replace(options or Options(), runs=tmp_path / "runs")
        outcome = run_suite(path, options, engine=make)
        return [draw for engine in engines for draw in engine.ran], outcome

    return once


def test_done_is_done(run):
    ran, outcome = run()
    assert ran == [0, 1, 2]
    assert outcome.ran == 3
    assert outcome.forecast.seconds > 0
    assert run()[0] == []


@pytest.mark.parametrize(("kind", "again"), [("killed", [1]), ("timeout", [1]), ("diverged", [])])
def test_only_failures_that_may_pass_are_tried_again(run, kind, again):
    ran, outcome = run(fail={1: kind})
    assert ran == [0, 1, 2]
    assert [r.failure.kind for r in outcome.failed] == [kind]
    ran, outcome = run()
    assert ran == again
    assert len(outcome.failed) == (0 if again else 1)


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

    def on_cuda(self, _device, cache, report):
        original(self, "cuda", cache, report)

    monkeypatch.setattr(Workbench, "__init__", on_cuda)
    monkeypatch.setattr("bench.runner.workbench.extract", _extract_on_cpu)
    ran, outcome = run(on="cuda")
    assert ran == [0, 1, 2]
    assert {r.provenance.device for r in outcome.records} == {"cuda"}
    assert {r.bytes_peak_device for r in outcome.records} == {5}
    assert len(Store(outcome.folder).records()) == 6  # those of the CPU are kept


def _extract_on_cpu(backbone, inputs, _device, report, **more):
    from bench.extract import extract

    return extract(backbone, inputs, "cpu", report, **more)


def test_a_gpu_that_torch_cannot_use_is_said_and_the_cpu_used(run, monkeypatch, capsys):
    from bench.runner.progress import Lines

    monkeypatch.setattr("bench.runner.run.likely_device", lambda: "cuda")
    monkeypatch.setattr("bench.runner.run.Quiet", Lines)
    assert run()[0] == [0, 1, 2]
    assert "running on cpu, not on cuda" in capsys.readouterr().err
    assert run()[0] == []  # what is done on the CPU stays done there
