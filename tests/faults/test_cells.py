"""One cell of twelve crashes, hangs, or eats the machine: eleven results, one typed failure.

Real worker processes, real signals, real limits; the method that misbehaves comes from another
package, as a user's would.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

import psutil
import pytest
import torch

from bench import methods
from bench.core.record import Status
from bench.runner.engine import Placement
from bench.runner.jobs import run_job, write_job
from bench.runner.local import LocalEngine
from bench.runner.progress import Quiet
from bench.runner.run import Options, plan_suite, run_suite
from bench.store import Store
from tests.sabotage import write_plugin

CELLS = 12
SUITE = """
[suite]
name = "faults"
retries = {retries}
{more}
[[task]]
name = "digits"
train = {{ per_class = 4 }}
test_size = 50
[[backbone]]
name = "raw-pixels"
"""
METHOD = """
[[method]]
name = "sabotage"
label = "{label}"
how = "{how}"
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path_factory, tmp_path, monkeypatch):
    """The misbehaving method, known here and in workers; a short grace."""
    folder = write_plugin(tmp_path_factory.mktemp("plugin"))
    monkeypatch.syspath_prepend(str(folder))
    more = filter(None, (str(folder), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(more))
    monkeypatch.setenv("SABOTAGE_FOLDER", str(tmp_path))
    monkeypatch.setattr("bench.runner.process.GRACE_SECONDS", 0.5)
    methods.registry.cache_clear()
    yield
    methods.registry.cache_clear()


@pytest.fixture
def grid(tmp_path, suite_file):
    """Run eleven cells and one that does `how`; the records in order, and the store."""

    def run(
        how: str,
        *,
        more: str = "",
        retries: int = 0,
        workers=None,
        hung: float = 300.0,
        device: str = "cpu",
    ):
        hows = [f"no-{i}" for i in range(CELLS - 1)]
        hows.insert(5, how)
        entries = [METHOD.format(label=f"m{i}", how=h) for i, h in enumerate(hows)]
        path = suite_file(SUITE.format(more=more, retries=retries) + "".join(entries))

        def engine(store, cache, placement):
            return LocalEngine(store, cache, placement, hung=hung)

        runs = tmp_path / "runs"
        outcome = run_suite(path, Options(runs, device, workers=workers), Quiet(), engine=engine)
        return outcome.records, Store(runs / "faults")

    return run


QUICK = {  # how, and the kind of failure that it has to be; None where it is no failure
    13: ("raise", "ValueError", "an exception in a cell"),
    14: ("kill", "killed", "SIGKILL of the worker"),
    15: ("segv", "killed", "SIGSEGV of the worker"),
    16: ("memory", "out-of-memory", "out of memory on the host, at the suite's limit"),
    17: ("assert", "device-error", "an error of the device: another process goes on"),
    18: ("nan", "diverged", "NaN instead of a score"),
    19: ("hang", "timeout", "hangs and ignores SIGTERM"),
    20: ("grandchild", "killed", "a grandchild in a session of its own holds the pipe"),
    21: ("gigabyte", None, "a gigabyte on stdout"),
    22: ("exit", "killed", "os._exit(0) without a result"),
}


def every_fault(test):
    """Mark a test with all of them."""
    for number, (_, _, words) in QUICK.items():
        test = pytest.mark.fault(number, words)(test)
    return test


@every_fault
def test_all_at_once(tmp_path, suite_file, rows):
    """The quick form: one run with every fault in it, and results in between. What hangs is first:
    its limit, long enough for a gigabyte on a busy machine, passes while the others run."""
    order = sorted((how for how, _, _ in QUICK.values()), key=lambda how: how != "hang")
    hows = [name for how in order for name in (how, f"no-{how}")]
    entries = [METHOD.format(label=how, how=how) for how in hows]
    limits = "budget = { seconds = 20, memory_gb = 8.0 }"
    path = suite_file(SUITE.format(more=limits, retries=0) + "".join(entries))
    outcome = run_suite(path, Options(tmp_path / "runs", "cpu", workers=2))
    found = {record.method: record for record in outcome.records}
    for number, (how, kind, _) in QUICK.items():
        with rows[number].one():
            failure = found[how].failure
            assert kind == (None if failure is None else failure.kind), failure
            assert found[f"no-{how}"].status is Status.OK
        rows[number].results(2, 2 - (how in found) - (f"no-{how}" in found))
    assert "SIGKILL" in found["kill"].failure.message
    assert "about to kill" in found["kill"].failure.tail
    assert "SIGSEGV" in found["segv"].failure.message
    pid = int((tmp_path / "grandchild").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"
    assert (outcome.folder / "worker.log").stat().st_size < 100_000


def test_a_job_file_has_its_deadline(tmp_path, suite_file):
    text = SUITE.format(more="budget = { seconds = 1 }", retries=0)
    (cell,) = plan_suite(suite_file(text + METHOD.format(label="m", how="hang"))).cells
    write_job(tmp_path / "job.json", cell, tmp_path / "runs")
    made = run_job(tmp_path / "job.json", "cpu")
    assert (made.failure.kind, made.failure.message) == ("timeout", "over its 1 s")
    assert made.facts["limit_seconds"] == 1
    assert Store(tmp_path / "runs").records() == [made]


def one_failure(records, kind: str):
    """Eleven results and one failure of this kind, which is returned."""
    assert len(records) == CELLS
    failed = [record for record in records if record.status is not Status.OK]
    assert [record.failure.kind for record in failed] == [kind]
    return failed[0].failure


CASES = [
    pytest.param(how, kind, marks=pytest.mark.fault(number, words))
    for number, (how, kind, words) in QUICK.items()
    if how in {"raise", "kill", "segv", "nan", "exit", "assert"}
]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "kind"), CASES)
def test_one_of_twelve_fails(grid, trials, how, kind):
    with trials.one():
        records, store = grid(how)
        failure = one_failure(records, kind)
        if how in {"kill", "segv"}:
            assert f"SIG{how.upper()}" in failure.message
            assert f"about to {how}" in failure.tail
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    ("how", "kind"), [("cuda-memory", "out-of-memory"), ("cuda-assert", "device-error")]
)
@pytest.mark.fault(17, "out of memory and an assertion of a kernel, on a GPU")
def test_one_of_twelve_fails_on_a_gpu(grid, trials, how, kind):
    """After an assertion no call of that process succeeds: the cells behind it have another."""
    with trials.one():
        records, store = grid(how, device="cuda")
        one_failure(records, kind)
        assert {r.provenance.device for r in records} == {"cuda"}
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.slow
@pytest.mark.fault(14, "SIGKILL of the worker")
def test_a_killed_worker_s_cell_is_tried_again(grid, trials):
    with trials.one():
        records, store = grid("kill-once", retries=1)
        assert all(record.status is Status.OK for record in records)
        assert sorted(r.attempt for r in store.records()) == [1] * CELLS + [2]
    trials.results(CELLS + 1, CELLS + 1 - len(store.records()))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["memory", "memory-torch"])
@pytest.mark.fault(16, "out of memory on the host, at the suite's limit")
def test_a_limit_of_memory(grid, trials, how):
    with trials.one():
        records, store = grid(how, more="budget = { memory_gb = 8.0 }")
        one_failure(records, "out-of-memory")
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.slow
@pytest.mark.fault(19, "hangs and ignores SIGTERM")
def test_a_hung_cell_is_ended_at_its_deadline(grid, trials):
    with trials.one():
        records, store = grid("hang", more="budget = { seconds = 3 }")
        assert "over its 3 s" in one_failure(records, "timeout").message
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.fault(19, "stopped, without a heartbeat")
def test_a_worker_without_a_heartbeat_is_ended(grid, trials):
    with trials.one():
        records, store = grid("stop", hung=2.5)
        assert "not even a heartbeat" in one_failure(records, "hung").message
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.slow
@pytest.mark.fault(20, "a grandchild in a session of its own holds the pipe")
def test_a_grandchild_is_reaped(grid, trials, tmp_path):
    with trials.one():
        records, store = grid("grandchild")
        assert "exit code 3" in one_failure(records, "killed").message
        pid = int((tmp_path / "grandchild").read_text())
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.slow
@pytest.mark.fault(21, "a gigabyte on stdout")
def test_a_gigabyte_on_stdout_is_bounded(grid, trials):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with trials.one():
        records, store = grid("gigabyte")
        assert all(record.status is Status.OK for record in records)
        assert (store.folder / "worker.log").stat().st_size < 100_000
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100_000  # kB
    trials.results(CELLS, CELLS - len(store.records()))


@pytest.mark.slow
@pytest.mark.fault(14, "SIGKILL of one of three workers")
def test_several_workers_share_the_cells(grid, trials):
    with trials.one():
        records, store = grid("kill", workers=3)
        one_failure(records, "killed")
        assert {r.provenance.threads for r in records if r.status is Status.OK} == {1}
    trials.results(CELLS, CELLS - len(store.records()))


def test_a_closed_engine_leaves_no_process(tmp_path):
    store = Store(tmp_path / "runs")
    store.folder.mkdir()
    engine = LocalEngine(store, tmp_path / "cache", Placement("cpu", 2))
    engine.start()
    pids = engine.pids
    engine.close()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids if os.name == "posix")
