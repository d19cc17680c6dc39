"""A disk that is full, or would be: a real small file system, and a run that goes on afterwards."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from bench.core.errors import DiskFullError, UserError
from bench.core.record import Status
from bench.runner import disk
from bench.runner.disk import require_room
from bench.runner.run import Options, run_suite
from bench.store import Store

SUITE = """
[suite]
name = "full"
draws = {draws}
[[task]]
name = "digits"
train = {{ per_class = 4 }}
test_size = 200
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
"""


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of a megabyte, and a function that makes it larger."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root: tests/faults/test_store_*.py fill one otherwise")
    grow = ["mount", "-o", "remount,size=50m", str(folder)]
    yield folder, lambda: subprocess.run(grow, check=True)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.fault(4, "a real full disk under a run")
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    small_disk, trials, suite_file, monkeypatch, tmp_path
):
    folder, grow = small_disk
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("bench.runner.run.require_room", lambda _needed: None)
    path = suite_file(SUITE.format(draws=40))
    options = Options(folder, "cpu")
    with trials.one():
        with pytest.raises(DiskFullError, match=r"(?s)No space left.*MB are missing.*goes on"):
            run_suite(path, options)
        kept = Store(folder / "full").records()
        assert 0 < len(kept) < 40
        assert all(record.status is Status.OK for record in kept)
        grow()
        outcome = run_suite(path, options)
        assert outcome.ran == 40 - len(kept)
        now = {record.run_id: record for record in outcome.records}
        assert all(record.status is Status.OK for record in now.values())
        trials.results(len(kept), sum(now[record.run_id] != record for record in kept))


@pytest.mark.fault(4, "too little room is said before anything is computed")
def test_too_little_room_is_refused(small_disk, trials, suite_file, monkeypatch, tmp_path):
    folder, _ = small_disk
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    with trials.one():
        with pytest.raises(UserError, match="MB are missing"):
            run_suite(suite_file(SUITE.format(draws=2)), Options(folder, "cpu"))
        assert not Store(folder / "full").records()


def test_folders_of_one_disk_share_its_room(tmp_path, monkeypatch):
    room = SimpleNamespace(free=disk.SLACK + 150)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _folder: room)
    require_room({tmp_path / "runs/x": 100})
    require_room({tmp_path / "cache": 150})
    with pytest.raises(UserError, match="needs about 50 MB"):
        require_room({tmp_path / "runs/x": 100, tmp_path / "cache": 100})
