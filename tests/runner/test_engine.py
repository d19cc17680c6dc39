"""The worker process: killed, hung, or without a result, it costs the cell in hand."""

from __future__ import annotations

import pytest

from bench.assets import cache_folder
from bench.core.errors import UserError
from bench.core.record import Status
from bench.runner.engine import LocalEngine
from bench.store import Store
from tests.runner.conftest import digits, plan_of

SABOTAGE = '''
"""A plugin of a test: it does to its process what its parameter says."""
import os, signal, sys, time
from bench.core.method import MethodSpec, Needs, Parameter
from bench.methods.probe import Probe

class Sabotage(Probe):
    spec = MethodSpec(
        name="sabotage", version=1, summary="", needs=Needs.FEATURES,
        parameters=(Parameter("how", "no", ""), *Probe().spec.parameters), reference="-",
    )
    def __init__(self): pass
    def fit(self, parameters, train, validation, context):
        how = parameters["how"]
        print("about to", how, flush=True)
        if how == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if how == "segv": os.kill(os.getpid(), signal.SIGSEGV)
        if how == "exit": os._exit(0)
        if how == "hang":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True: time.sleep(60)
        return super().fit(parameters, train, validation, context)

METHODS = (Sabotage(),)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Another package with an entry point, as a user's own method would come."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "sabotage.py").write_text(SABOTAGE)
    info = folder / "sabotage-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sabotage\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.methods]\nsabotage = sabotage:METHODS\n")
    return folder


@pytest.fixture
def engine(tmp_path, plugin, monkeypatch):
    """Cells through a real worker that knows the plugin, with a short grace."""
    monkeypatch.syspath_prepend(str(plugin))
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    monkeypatch.setattr("bench.runner.engine.GRACE_SECONDS", 0.2)
    from bench import methods

    methods.registry.cache_clear()
    made = LocalEngine(Store(tmp_path / "runs"), tmp_path / "cache", "cpu")
    (tmp_path / "runs").mkdir()
    yield made
    made.close()
    methods.registry.cache_clear()


def cells(*hows: str, seconds: float | None = None):
    raw = digits(budget={"trials": 1, **({"seconds": seconds} if seconds else {})})
    raw["method"] = [{"name": "sabotage", "how": how} for how in hows]
    return plan_of(raw).cells


def run(engine, planned):
    return list(engine.run(planned, lambda *_: None))


def test_a_crashed_worker_costs_one_cell(engine):
    records = run(engine, cells("no", "kill", "segv", "exit", "not"))
    assert [r.status for r in records] == [
        Status.OK,
        Status.FAILED,
        Status.FAILED,
        Status.FAILED,
        Status.OK,
    ]
    assert [r.failure.kind for r in records[1:4]] == ["killed"] * 3
    assert "SIGKILL" in records[1].failure.message
    assert "SIGSEGV" in records[2].failure.message
    assert "about to kill" in records[1].failure.tail
    assert engine.device == "cpu"


def test_a_hung_worker_is_ended_at_its_deadline(engine):
    hung, fine = run(engine, cells("hang", "no", seconds=8))
    assert hung.failure.kind == "timeout"
    assert fine.status is Status.OK


def test_a_worker_that_cannot_have_its_device_says_so(tmp_path):
    (tmp_path / "runs").mkdir()
    engine = LocalEngine(Store(tmp_path / "runs"), cache_folder(), "cuda")
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(UserError, match="bench doctor"):
        engine.start()
    engine.close()


def test_the_worker_does_not_outlive_its_launcher(tmp_path):
    """Its socket closes with the launcher, killed or not."""
    (tmp_path / "runs").mkdir()
    engine = LocalEngine(Store(tmp_path / "runs"), tmp_path / "cache", "cpu")
    engine.start()
    process = engine._process
    engine._connection.close()
    assert process.wait(30) is not None
    engine._connection = None
    engine.close()
