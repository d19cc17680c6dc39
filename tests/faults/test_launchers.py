"""Launchers are killed, killed again, run twice and side by side: nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import bench
from bench.core.record import Status
from bench.store import Leases, Store
from bench.store.leases import Owner
from tests.faults.kit import times
from tests.sabotage import write_plugin

SUITE = """
[suite]
name = "killed"
draws = {draws}
retries = 10
[[task]]
name = "digits"
train = {{ per_class = 4 }}
test_size = 100
[[backbone]]
name = "raw-pixels"
[[method]]
name = "sabotage"
seconds = {seconds}
[[method]]
name = "centroid"
"""


class Launcher:
    """`bench run` as a process of its own, and what it has done."""

    def __init__(self, tmp_path: Path, plugin: Path, text: str, name: str = "runs") -> None:
        self.suite = tmp_path / "suite.toml"
        self.suite.write_text(text)
        self.runs = tmp_path / name
        self.store = Store(self.runs / "killed")
        root = str(Path(__file__).parents[2])
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((root, str(plugin))),
            "SABOTAGE_FOLDER": str(tmp_path),
            "BENCH_CACHE": str(tmp_path / "cache"),
        }

    def start(self, *more: str, **how) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bench", "run", str(self.suite), "--device", "cpu"]
        return subprocess.Popen(
            [*command, "--runs", str(self.runs), *more],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **how,
        )

    def finish(self, *more: str) -> str:
        """Run to the end; what was said on the way."""
        process = self.start(*more)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said.decode()
        return said.decode()

    def committed(self) -> dict[str, bytes]:
        """Every committed file by name."""
        folder = self.store.folder
        files = [*folder.glob("records/*.json"), *folder.glob("predictions/*")]
        return {path.name: path.read_bytes() for path in files}

    def working(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until its worker has a lease, and with it a cell in hand."""
        leases = self.store.folder / "leases.json"
        while process.poll() is None and not leases.exists():
            time.sleep(0.005)

    def until(self, count: int, process: subprocess.Popen[bytes]) -> None:
        """Wait until so many records are there, or the process has ended."""
        while process.poll() is None and len(list(self.store.folder.glob("records/*"))) < count:
            time.sleep(0.005)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return write_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def launcher(tmp_path, plugin):
    def make(draws: int, seconds: float = 0.02, name: str = "runs") -> Launcher:
        return Launcher(tmp_path, plugin, SUITE.format(draws=draws, seconds=seconds), name)

    return make


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the launcher; its worker has to notice."""
    children = (
        psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    )
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive, "a worker outlived its launcher"


@pytest.mark.fault(23, "the launcher is killed: what is committed stays")
@pytest.mark.fault(24, "it is killed again while it goes on")
@pytest.mark.fault(25, "resumed twice")
def test_killed_and_killed_again_and_resumed_twice(launcher, rows):
    made = launcher(draws=times(6, 20))
    chance = random.Random(0)
    before: dict[str, bytes] = {}
    for number in range(times(2, 30)):
        row = rows[23 if number == 0 else 24]
        with row.one():
            process = made.start()
            made.until(len(before) // 2 + chance.randrange(1, 4), process)
            kill(process)
            now = made.committed()
            row.results(len(before), sum(now.get(name) != data for name, data in before.items()))
            before = now
    with rows[24].one():
        made.finish()
        records = made.store.records()
        assert all(record.status is Status.OK for record in records)
        assert sorted(r.run_id for r in records) == sorted({r.run_id for r in records})
        done = made.committed()
        rows[24].results(len(before), sum(done.get(n) != data for n, data in before.items()))
    with rows[25].one():
        made.finish()
        assert made.committed() == done
        rows[25].results(len(done))
    whole = launcher(draws=times(6, 20), name="whole")
    whole.finish()
    assert leaderboard(made.store) == leaderboard(whole.store)


@pytest.mark.fault(8, "two launchers on one suite, each cell committed once")
def test_two_launchers_share_the_work(launcher, trials):
    for number in range(times(1, 10)):
        made = launcher(draws=6, seconds=0.05, name=f"runs-{number}")
        with trials.one():
            both = [made.start(), made.start()]
            for process in both:
                _, said = process.communicate(timeout=600)
                assert process.returncode == 0, said.decode()
            records = made.store.records()
            assert len(records) == 12
            assert {record.attempt for record in records} == {1}
            trials.results(12, 12 - len({record.run_id for record in records}))


@pytest.mark.fault(9, "the stale lease of a dead process is taken over")
def test_the_lease_of_a_dead_launcher_is_taken_over(tmp_path, trials, monkeypatch):
    for _ in range(times(3, 50)):
        with trials.one():
            process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            born = psutil.Process(process.pid).create_time()
            dead = dataclasses.replace(Owner.here(), token="t", pid=process.pid, started=born)
            theirs, ours = Leases(tmp_path), Leases(tmp_path)
            theirs._owner = dead
            assert theirs.claim(["a"]) == "a"
            assert ours.claim(["a", "b"]) == "b"
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert ours.claim(["a"]) == "a"
            ours.release(["a", "b"])


@pytest.mark.fault(9, "a lease that was not renewed is over")
def test_a_lease_that_is_not_renewed_ends(tmp_path, trials):
    now = [0.0]
    theirs, ours = (Leases(tmp_path, now=lambda: now[0]) for _ in range(2))
    with trials.one():
        assert theirs.claim(["a"]) == "a"
        now[0] = 40.0
        theirs.renew()
        now[0] = 80.0
        assert ours.claim(["a"]) is None
        now[0] = 101.0
        assert ours.claim(["a"]) == "a"
        theirs.renew()  # it was asleep, and has lost it
        assert ours.claim(["b"]) == "b"


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 121.0, 1e9, float("inf"), float("nan"), 10**400])
def test_a_lease_that_nobody_can_have_taken_stops_nobody(tmp_path, seconds):
    """It ends later than one that is taken now by a clock that is a minute fast."""
    theirs, ours = (Leases(tmp_path, now=lambda: 1000.0) for _ in range(2))
    theirs.claim(["a"])
    until(tmp_path, 1000 + seconds)
    assert ours.claim(["a"]) == "a"


def until(folder: Path, when: float) -> None:
    """Have every lease of a folder end then."""
    leases = json.loads((folder / "leases.json").read_text())
    changed = {run_id: {**lease, "until": when} for run_id, lease in leases.items()}
    (folder / "leases.json").write_text(json.dumps(changed))


def test_who_has_a_cell_in_hand_is_told(tmp_path):
    theirs, away, ours = (Leases(tmp_path, now=lambda: 1000.0) for _ in range(3))
    away._owner = dataclasses.replace(Owner.here(), token="t", machine="0123456789", pid=7)
    theirs.claim(["a"])
    theirs.claim(["b"])
    away.claim(["c"])
    until(tmp_path, 1119.0)  # its clock is a minute fast
    assert ours.claim(["a", "b", "c"]) is None
    here, there = ours.holders(["a", "b", "c", "d"])
    assert (here.pid, here.here, here.until) == (os.getpid(), True, 1119.0)
    assert (there.pid, there.here) == (7, False)
    clock = time.strftime("%X", time.localtime(1119.0))
    assert str(here) == f"process {os.getpid()} on this machine, until {clock}"
    assert str(there) == f"process 7 on machine 01234567, until {clock}"
    assert ours.holders(["d"]) == []


def test_a_damaged_file_of_leases_stops_nobody(tmp_path):
    leases = Leases(tmp_path)
    for damaged in ("", "{", "[]", '{"a": 1}', '{"a": {"token": "x"}}'):
        (tmp_path / "leases.json").write_text(damaged)
        assert leases.claim(["a"]) == "a"


@pytest.mark.slow
@pytest.mark.fault(14, "random SIGKILLs of workers and launcher")
def test_random_kills_of_workers_and_launcher(launcher, trials):
    """Fake cells of a second in the full form: every cell has one result in the end."""
    draws, seconds = times(8, 200), times(1, 50) / 50
    made = launcher(draws=draws, seconds=seconds)
    chance = random.Random(1)
    kills = times(4, 60)
    while kills:
        process = made.start("--workers", "2")
        count = len(list(made.store.folder.glob("records/*")))
        while kills and process.poll() is None:
            made.until(count := count + chance.randrange(1, 4), process)
            workers = psutil.Process(process.pid).children() if process.poll() is None else []
            if not workers:
                break
            with trials.one():
                kills -= 1
                if chance.random() < 0.25:
                    kill(process)
                    break
                chance.choice(workers).kill()
        else:
            process.communicate()
        if process.poll() is None:
            kill(process)
    made.finish()
    records = [record for record in made.store.records() if record.status is Status.OK]
    assert len(records) == len({record.run_id for record in records}) == 2 * draws
    trials.results(len(records))


MEASURED = ["throughput", "seconds", "bytes_peak", "bytes_peak_device", "front"]
"""Columns of time and memory; the front weighs accuracy against them."""


def leaderboard(store: Store) -> str:
    """The leaderboard without what is measured, as text."""
    return bench.leaderboard(store.folder).drop(columns=MEASURED).to_csv(index=False)


@pytest.mark.slow
@pytest.mark.fault(23, "killed at random and continued: the same leaderboard, byte for byte")
def test_a_killed_suite_gives_the_same_leaderboard(launcher, trials):
    whole = launcher(draws=4, name="whole")
    whole.finish()
    expected, chance = leaderboard(whole.store), random.Random(2)
    for number in range(times(1, 20)):
        with trials.one():
            made = launcher(draws=4, name=f"killed-{number}")
            process = made.start()
            made.until(chance.randrange(1, 8), process)
            kill(process)
            kept = made.committed()
            made.finish()
            assert leaderboard(made.store) == expected
            now = made.committed()
            trials.results(len(kept), sum(now.get(name) != data for name, data in kept.items()))


def hear_interrupts():
    """What a shell starts in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.fault(23, "Ctrl-C once: the cell in hand is finished; twice: stopped at once")
@pytest.mark.parametrize("twice", [False, True])
def test_ctrl_c(launcher, trials, twice):
    made = launcher(draws=2, seconds=600.0 if twice else 1.0)
    with trials.one():
        process = made.start(preexec_fn=hear_interrupts)
        for line in process.stderr:
            if b"to run; forecast" in line:
                break
        made.working(process)
        process.send_signal(signal.SIGINT)
        assert any(b"Ctrl-C again stops at once" in line for line in process.stderr)
        (worker,) = psutil.Process(process.pid).children()
        if twice:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"Go on with: bench run" in said
        assert not worker.is_running()
        records = made.store.records()
        assert len(records) == (0 if twice else 1)
        assert not (made.store.folder / "leases.json").exists()
        if not twice:
            kept = made.committed()
            assert "1 done, 3 to run" in made.finish()
            assert kept.items() <= made.committed().items()
            assert len(made.store.records()) == 4
    trials.results(len(records))
