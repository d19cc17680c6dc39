"""A job as a file: complete in itself, checked, and done once."""

from __future__ import annotations

import json

import pytest

from bench.core.errors import UserError
from bench.core.record import Status
from bench.runner.engine import Placement
from bench.runner.jobs import read_job, run_job, write_job, write_jobs
from bench.store import Store
from tests.runner.conftest import digits, plan_of
from tests.runner.in_process import in_process

ENSEMBLE = {
    "name": "ensemble",
    "label": "both",
    "members": ["raw-pixels / probe", "raw-pixels / centroid"],
}


@pytest.fixture
def cells():
    raw = digits(budget={"trials": 2, "seconds": 60}, controls=["shuffled-labels"])
    raw["method"] = [{"name": "probe", "C": 1.0}, {"name": "centroid"}, ENSEMBLE]
    raw["method"][0]["label"] = "probe"
    return plan_of(raw).cells


def test_a_job_is_read_as_it_was_written(cells, tmp_path):
    for cell, path in zip(cells, write_jobs(tmp_path, cells, tmp_path / "runs"), strict=True):
        job = read_job(path)
        assert job.cell == cell
        assert job.cell.run_id == cell.run_id == path.stem
        assert job.store == tmp_path / "runs"


def test_jobs_in_their_order_give_every_record_once(cells, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    paths = write_jobs(tmp_path / "jobs", cells, tmp_path / "runs")
    records = [run_job(path, "cpu", in_process) for path in paths]
    assert all(record.status is Status.OK for record in records)
    assert [run_job(path, "cpu", in_process) for path in paths] == records
    assert len(Store(tmp_path / "runs").records()) == len(cells)


def test_a_job_before_its_members_is_a_failure_that_names_them(cells, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (cell,) = [cell for cell in cells if cell.members and not cell.control]
    write_job(tmp_path / "job.json", cell, tmp_path / "runs")
    made = run_job(tmp_path / "job.json", "cpu", in_process)
    assert made.failure.kind == "member-missing"


def test_a_job_is_done_by_a_worker_as_in_a_run(cells, tmp_path, monkeypatch):
    """Which has imported everything before, and is ended where the cell's time is over."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    write_job(tmp_path / "job.json", cells[0], tmp_path / "runs")
    placed = []

    def engine(store, cache, placement):
        placed.append((store.folder, cache, placement))
        return in_process(store, cache, placement)

    run_job(tmp_path / "job.json", "cpu", engine)
    assert placed == [(tmp_path / "runs", tmp_path / "cache", Placement("cpu", 1))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plain: plain.update(schema=2), "schema 2"),
        (lambda plain: plain["cell"].update(seed=7), "was changed"),
        (lambda plain: plain["cell"].pop("task"), "damaged"),
        (lambda plain: plain.pop("cell"), "damaged"),
        (lambda plain: plain["cell"]["budget"].update(trials=0), "damaged"),
    ],
)
def test_a_changed_job_is_refused(cells, tmp_path, change, words):
    path = tmp_path / "job.json"
    write_job(path, cells[0], tmp_path)
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(UserError, match=words):
        read_job(path)


def test_what_is_no_job_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_job(tmp_path / "none.json")
    (tmp_path / "job.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="damaged"):
        read_job(tmp_path / "job.json")
