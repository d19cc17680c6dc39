"""Writers are killed, disks are full, bytes turn over: what was acknowledged is there, whole."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import random
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.core.errors import CellError, DiskFullError, StoreError
from bench.core.record import SCHEMA, Failure, Status
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell
from bench.store import Store, files
from bench.store.codec import decode, encode
from bench.store.index import write_index
from bench.store.inspect import sweep, verify
from tests.faults.kit import times
from tests.runner.conftest import digits, plan_of
from tests.store_kit import record, with_predictions

WRITER = """
import hashlib, os, sys
from pathlib import Path
from bench.store import Store
from tests.store_kit import record, predictions
store, me = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(10**6):
    run_id = hashlib.sha256(f"{me} {number}".encode()).hexdigest()
    data = predictions(5 + number % 40)
    made = record(run_id=run_id, predictions=hashlib.sha256(data).hexdigest(), draw=number)
    store.add(made, data)
    os.write(1, f"{run_id}\\n".encode())
"""


class Writers:
    """Processes that write records without an end, and what they say they have committed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.started = folder, [], 0
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.started += 1
        command = [sys.executable, "-c", WRITER, str(self.folder), str(self.started)]
        root = Path(__file__).parents[2]
        made = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, bufsize=0)
        self.running.append(made)

    def hear(self, count: int) -> None:
        """Wait until so many more records are acknowledged."""
        wanted = len(self.said) + count
        while len(self.said) < wanted:
            ready, _, _ = select.select([p.stdout for p in self.running], [], [], 60)
            assert ready, "no writer says anything"
            for stream in ready:
                self._take(stream)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL one, and hear what it had said."""
        process.kill()
        process.wait()
        while self._take(process.stdout):
            pass
        process.stdout.close()
        self.running.remove(process)

    def _take(self, stream) -> bool:
        data = os.read(stream.fileno(), 1 << 16)
        self.said += [line for line in data.decode().split("\n") if len(line) == 64]
        return bool(data)


def lost(folder: Path, said: list[str]) -> int:
    """How many acknowledged records cannot be read, with their predictions; the rest is whole."""
    store = Store(folder)
    found = {made.run_id: made for made in store.records()}
    for made in found.values():
        store.predictions(made)
    return sum(run_id not in found for run_id in said)


@pytest.fixture
def writers(tmp_path):
    made = Writers(tmp_path / "runs")
    yield made
    for process in list(made.running):
        made.kill(process)


def kill_some(writers, trials, kills: int, at_once: int) -> None:
    chance, counted = random.Random(at_once), 0
    while kills:
        while len(writers.running) < 3:
            writers.start()
        writers.hear(chance.randrange(1, 12))
        for process in chance.sample(writers.running, min(at_once, kills)):
            with trials.one():
                writers.kill(process)
            kills -= 1
        if kills % 25 == 0:  # reading everything each time would be most of the work
            assert lost(writers.folder, writers.said) == 0
    new = len(writers.said) - counted
    trials.results(new, lost(writers.folder, writers.said))


@pytest.mark.fault(1, "SIGKILL of one of three writers")
def test_one_of_several_writers_is_killed(writers, trials):
    kill_some(writers, trials, times(10, 500), 1)


@pytest.mark.fault(2, "SIGKILL of all writers")
def test_all_writers_are_killed(writers, trials):
    kill_some(writers, trials, times(9, 501), 3)
    (writers.folder / "records" / ".tmp-old").write_text("{")
    os.utime(writers.folder / "records" / ".tmp-old", (0, 0))
    assert writers.folder / "records" / ".tmp-old" in sweep(writers.folder)


class Failing:
    """The `k`-th call of the operating system's functions fails, whichever it is."""

    def __init__(self, monkeypatch, k: int) -> None:
        self.left, self.failed = k, ""
        for name in ("open", "fsync", "fstat", "link", "unlink", "replace", "chmod"):
            monkeypatch.setattr(files.os, name, self.wrapped(name, getattr(os, name)))
        opened = os.fdopen
        monkeypatch.setattr(files.os, "fdopen", lambda *a: self.file(opened(*a)))

    def wrapped(self, name, call):
        def failing(*given, **more):
            self.count(name)
            return call(*given, **more)

        return failing

    def file(self, file):
        """An open file whose writing may fail."""
        proxy = FailingFile(file.detach() if hasattr(file, "detach") else file)
        proxy.count = self.count
        return proxy

    def count(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = name
            raise OSError(errno.EIO, "of the test")


class FailingFile(io.BufferedWriter):
    """Counts each write and flush."""

    def write(self, data):
        self.count("write")
        return super().write(data)

    def flush(self):
        if not self.closed and getattr(self, "count", None):
            self.count("flush")
        super().flush()


@pytest.mark.fault(3, "the k-th write, fsync, link or open fails, for every k")
def test_every_call_fails_once(tmp_path, trials, monkeypatch):
    made, data = with_predictions()
    store, failed, k = Store(tmp_path), set(), 0
    store.add(record(run_id="1" * 64))
    while True:
        k += 1
        again = dataclasses.replace(made, run_id=f"{k:064x}")
        with monkeypatch.context() as patch, trials.one():
            failing = Failing(patch, k)
            try:
                acknowledged = store.add(again, data)
            except StoreError:
                acknowledged = False
        there = {found.run_id for found in store.records()}
        trials.results(
            1 + acknowledged, ("1" * 64 not in there) + (acknowledged and again.run_id not in there)
        )
        store.add(dataclasses.replace(again, attempt=2), data)  # and it goes on
        if not failing.failed:
            break
        failed.add(failing.failed)
    assert {"write", "fsync", "link"} <= failed


@pytest.mark.fault(3, "replacing suite.json fails at every call: the old or the new one")
def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path, trials, monkeypatch):
    path, k = tmp_path / "suite.json", 0
    files.replace(path, b"old")
    while True:
        k += 1
        with monkeypatch.context() as patch, trials.one():
            failing = Failing(patch, k)
            try:
                files.replace(path, b"new")
            except StoreError:
                assert path.read_bytes() in {b"old", b"new"}
            else:
                assert path.read_bytes() == b"new"
        files.replace(path, b"old")
        if not failing.failed:
            break
    assert k > 5


@pytest.mark.fault(5, "a write that is short and says nothing")
def test_a_short_write_is_noticed(tmp_path, trials, monkeypatch):
    made, data = with_predictions()
    stat = os.fstat
    for missing in (1, 100, len(data)):

        def short(handle, missing=missing):
            found = stat(handle)
            os.ftruncate(handle, max(found.st_size - missing, 0))
            return stat(handle)

        with monkeypatch.context() as patch, trials.one():
            patch.setattr(files.os, "fstat", short)
            with pytest.raises(DiskFullError, match="bytes were written"):
                Store(tmp_path).add(made, data)
            with pytest.raises(DiskFullError, match="bytes were written"):
                files.replace(tmp_path / "suite.json", b"x" * 200)
        assert Store(tmp_path).records() == []
        assert not list(tmp_path.rglob(".tmp-*"))


@pytest.fixture(params=["tmpfs", "limit"])
def full_disk(request, tmp_path):
    """A folder that takes some kilobytes: a small tmpfs, or a limit of the size of files."""
    if request.param == "limit":
        yield tmp_path, lambda: None
        return
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root; the other parameter limits the size of files")
    grow = ["mount", "-o", "remount,size=10m", str(folder)]
    yield folder, lambda: subprocess.run(grow, check=True)
    subprocess.run(["umount", str(folder)], check=True)


FILLER = """
import resource, signal, sys
from pathlib import Path
from bench.core.errors import StoreError
from bench.core.record import Failure, Status
from bench.store import Store
from tests.store_kit import record
store = Store(Path(sys.argv[1]))
if sys.argv[2] == "limit":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
tail = "" if sys.argv[2] == "tmpfs" else "x" * 2000
for number in range(1000):
    try:
        made = record(run_id=f"{number:064x}", status=Status.FAILED,
                      failure=Failure(kind="x", message="y", tail=tail if number == 3 else ""))
        store.add(made)
    except StoreError as error:
        print("full", type(error).__name__, flush=True)
        break
    print(made.run_id, flush=True)
"""


@pytest.mark.fault(4, "a real full disk under a writer; recorded once there is room")
def test_a_full_disk_takes_nothing_that_was_acknowledged(full_disk, trials, request):
    folder, grow = full_disk
    how = request.node.callspec.params["full_disk"]
    command = [sys.executable, "-c", FILLER, str(folder), how]
    with trials.one():
        done = subprocess.run(command, capture_output=True, text=True, check=True,
                              cwd=Path(__file__).parents[2])  # fmt: skip
        *said, last = done.stdout.split("\n")[:-1]
        assert last.startswith("full")
        assert how != "tmpfs" or "DiskFullError" in last
        there = {made.run_id for made in Store(folder).records()}
        trials.results(len(said), len(set(said) - there))
        grow()
        failure = Failure(kind="disk", message="full")
        assert Store(folder).add(record(run_id="f" * 64, status=Status.FAILED, failure=failure))
        assert len(Store(folder).records()) == len(said) + 1


@pytest.mark.fault(6, "the newest record truncated at every byte: the others are read")
def test_a_truncated_record_is_named_and_the_others_are_read(tmp_path, trials):
    store = Store(tmp_path)
    store.add(record())
    store.add(record(run_id="1" * 64))
    path = tmp_path / "records" / f"{'1' * 64}.1.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), times(23, 1)):
        path.write_bytes(whole[:length])
        with trials.one():
            report = verify(store)
            assert [damage.file for damage in report.damages] == [f"records/{path.name}"]
            assert report.records == 1
            assert (
                decode((tmp_path / "records" / f"{'0' * 64}.1.json").read_bytes(), "x") == record()
            )
            with pytest.raises(StoreError, match="1111"):
                store.records()
        trials.results(1)


@pytest.mark.fault(7, "each byte turned over: noticed, and the file named")
def test_every_flipped_byte_is_named(tmp_path, trials):
    store = Store(tmp_path)
    made, data = with_predictions()
    store.add(made, data)
    store.add(record(run_id="1" * 64))
    write_index(store)
    for path in [*(tmp_path / "records").iterdir(), *(tmp_path / "predictions").iterdir()]:
        whole = path.read_bytes()
        name = f"{path.parent.name}/{path.name}"
        for position in range(0, len(whole), times(29, 1)):
            turned = bytearray(whole)
            turned[position] ^= 1 << (position % 8)
            path.write_bytes(turned)
            with trials.one():
                named = [damage.file for damage in verify(store).damages]
                assert name in named
        path.write_bytes(whole)
    assert verify(store).damages == ()


@pytest.mark.fault(7, "a file that disappeared: the index knows it")
def test_what_disappeared_is_named(tmp_path, trials):
    store = Store(tmp_path)
    made, data = with_predictions()
    store.add(made, data)
    write_index(store)
    for path in [*(tmp_path / "predictions").iterdir(), *(tmp_path / "records").iterdir()]:
        path.unlink()
        with trials.one():
            assert f"{path.parent.name}/{path.name}" in {d.file for d in verify(store).damages}


@pytest.mark.fault(10, "an output folder that is missing, a file, or read-only: refused first")
@pytest.mark.parametrize("what", ["file", "below a file", "read-only"])
def test_an_output_folder_that_takes_nothing_is_refused(tmp_path, suite_file, trials, what):
    text = '[suite]\nname = "x"\n[[task]]\nname = "digits"\n[[backbone]]\nname = "raw-pixels"\n'
    path = suite_file(text + '[[method]]\nname = "knn"\n')
    runs = tmp_path / "runs"
    if what == "read-only":
        runs = Path("/proc/self")  # no folder can be made there, not even by root
    else:
        runs.write_text("in the way")
        runs = runs / "deeper" if what == "below a file" else runs
    with trials.one(), pytest.raises(StoreError, match="cannot be"):
        bench.run(path, runs=runs, device="cpu")


@pytest.mark.fault(11, "NaN, Inf, numpy and torch scalars: stored as numbers, or a typed failure")
def test_numbers_are_stored_plainly_or_not_at_all(tmp_path, trials):
    import torch

    store = Store(tmp_path)
    kept = [np.float32(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5), 0.5]
    for number, value in enumerate(kept):
        with trials.one():
            made = record(run_id=f"{number:064x}", metrics={"accuracy": value})
            assert store.add(made)
        trials.results(1)
    assert {r.metrics["accuracy"] for r in store.records()} == {0.5}
    assert {type(r.metrics["accuracy"]) for r in store.records()} == {float}
    refused = [float("nan"), np.inf, np.float32("nan"), torch.tensor([1.0, 2.0]), np.ones(3), None]
    for value in refused:
        with trials.one(), pytest.raises(CellError, match="accuracy"):
            store.add(record(run_id="f" * 64, metrics={"accuracy": value}))
    assert len(store.records()) == len(kept)


@pytest.mark.fault(11, "a metric that is NaN in a real cell")
def test_a_cell_whose_metric_is_nan_fails_by_its_name(tmp_path, trials, monkeypatch):
    (cell,) = plan_of(digits()).cells
    store = Store(tmp_path / "runs")
    nan = {"accuracy": float("nan")}
    monkeypatch.setattr("bench.runner.execute.all_scores", lambda *_: nan)
    with trials.one():
        made = run_cell(cell, Workbench("cpu", tmp_path / "cache", lambda *_: None), store)
        assert made.failure.kind == "unstorable"
        assert store.records() == [made]


@pytest.mark.fault(12, "a record of a newer schema: refused by name, never dropped")
def test_a_newer_schema_is_refused(tmp_path, trials):
    store = Store(tmp_path)
    store.add(record())
    store.write_suite({"name": "s", "version": 1})
    newer = encode(record(run_id="1" * 64, schema=SCHEMA + 1))
    (tmp_path / "records" / f"{'1' * 64}.1.json").write_bytes(newer)
    for read in (
        store.records,
        store.final,
        lambda: store.find("1" * 64, "cpu"),
        lambda: write_index(store),
        lambda: bench.table(tmp_path),
    ):
        with trials.one(), pytest.raises(StoreError, match=r"1111.*newer.*update bench"):
            read()
    with trials.one():
        (damage,) = verify(store).damages
        assert "newer" in damage.why
        assert (tmp_path / "records" / f"{'1' * 64}.1.json").read_bytes() == newer


def test_every_past_schema_is_still_read():
    paths = sorted((Path(__file__).parents[1] / "data" / "schemas").glob("*.json"))
    assert [path.stem for path in paths] == [str(n) for n in range(1, SCHEMA + 1)]
    for path in paths:
        record = decode(path.read_bytes(), path.name)
        assert record.status is Status.OK
        assert record.data.class_names == ()  # it is from before they were kept
