"""The engine of worker processes: what it cannot have, and what it leaves behind.

What it survives is in tests/faults/test_cells.py.
"""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.assets import cache_folder
from bench.core.errors import UserError
from bench.core.record import Status
from bench.runner.engine import Began, Finished, Placement
from bench.runner.local import LocalEngine
from bench.runner.messages import Job
from bench.store import Store
from tests.runner.conftest import digits, plan_of


def test_a_worker_that_cannot_have_its_device_says_so(tmp_path):
    (tmp_path / "runs").mkdir()
    engine = LocalEngine(Store(tmp_path / "runs"), cache_folder(), Placement("cuda"))
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(UserError, match="bench doctor"):
        engine.start()
    engine.close()


def test_the_worker_does_not_outlive_its_launcher(tmp_path):
    """Its socket closes with the launcher, killed or not."""
    (tmp_path / "runs").mkdir()
    engine = LocalEngine(Store(tmp_path / "runs"), tmp_path / "cache", Placement("cpu"))
    engine.start()
    (worker,) = engine._workers
    worker.connection.close()
    assert worker._process.wait(30) is not None
    engine._workers = []


def test_a_worker_that_is_done_does_not_take_apart_what_it_imported(tmp_path, monkeypatch):
    """That takes a second with torch, for which the launcher would wait; what is registered for
    the end of a process runs."""
    told = tmp_path / "told"
    code = f"""
import atexit

def tell(what, path={str(told)!r}, open=open):
    with open(path, "a") as file:
        file.write(what)

class Large:
    def __del__(self, tell=tell):
        tell("taken apart ")

kept = Large()
atexit.register(tell, "registered ")
"""
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subprocess.run([sys.executable, "-c", ""], check=True)
    assert told.read_text() == "registered taken apart "  # so any other process ends
    told.unlink()
    (tmp_path / "runs").mkdir()
    engine = LocalEngine(Store(tmp_path / "runs"), tmp_path / "cache", Placement("cpu"))
    engine.start()
    (worker,) = engine._workers
    worker.connection.send(None)
    assert worker._process.wait(60) == 0
    engine.close()
    assert told.read_text() == "registered "


def test_a_cell_is_not_charged_for_the_start_of_its_worker(tmp_path):
    """The engine has a job before the worker, still importing, takes it: on a busy machine that
    was seconds of the first cell's budget, which other cells had for their own."""
    time = SimpleNamespace(now=0.0)
    (tmp_path / "runs").mkdir()
    store, cache = Store(tmp_path / "runs"), tmp_path / "cache"
    engine = LocalEngine(store, cache, Placement("cpu"), clock=lambda: time.now)
    engine.start()
    (cell,) = plan_of(digits(budget={"seconds": 60})).cells
    engine.submit(Job(cell))
    assert engine.poll(0.0) == [Began(cell)]  # handed over
    time.now += 61
    while not isinstance(event := engine.poll(1.0)[-1], Finished):
        pass
    engine.close()
    assert event.record.status is Status.OK, event.record.failure
