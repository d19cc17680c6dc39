"""What machines read: JSON lines, job files, the records themselves."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.command import bench
from tests.test_cli import DIGITS, run


@pytest.fixture(scope="module")
def by_jobs(tmp_path_factory):
    """A folder in which the first job of a suite was run, its jobs, and what the first said."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "tiny.toml").write_text(DIGITS)
    planned = run("plan", "tiny.toml", "--jobs", "jobs", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    jobs = sorted((folder / "jobs").iterdir())
    return folder, jobs, run("run-cell", jobs[0], "--device", "cpu", cwd=folder)


def test_jobs_are_complete_in_themselves(by_jobs):
    folder, jobs, done = by_jobs
    assert len(jobs) == 4
    assert done.returncode == 0, done.stderr
    again = run("run-cell", jobs[0], "--device", "cpu", cwd=folder)
    assert again.returncode == 0
    assert len(list((folder / "runs/tiny/records").iterdir())) == 1
    refused = bench("table", "runs/tiny", cwd=folder)
    assert refused.returncode == 2
    assert "`bench run SUITE --runs runs` writes it" in refused.stderr


def test_a_run_in_json_lines_takes_up_what_jobs_did(by_jobs):
    folder = by_jobs[0]
    done = run("run", "tiny.toml", "--json-lines", "--workers", "2", "--device", "cpu", cwd=folder)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[-1] == "ended"
    planned = next(event for event in events if event["event"] == "planned")
    assert (planned["total"], planned["done"]) == (4, 1)
    finished = [event for event in events if event["event"] == "finished"]
    assert len(finished) == len({event["run_id"] for event in finished}) == 3
    assert all(event["status"] == "ok" and 0 <= event["value"] <= 1 for event in finished)
    assert events[-1] | {"seconds": 0} == {
        "event": "ended", "done": 4, "failed": 0, "total": 4, "seconds": 0
    }  # fmt: skip
    assert [e["seconds"] for e in events] == sorted(e["seconds"] for e in events)


def test_a_program_is_told_of_a_mistake(tmp_path):
    (tmp_path / "wrong.toml").write_text(DIGITS.replace("digits", "digitz"))
    done = bench("run", "wrong.toml", "--json-lines", cwd=tmp_path)
    assert done.returncode == 2
    error, ended = (json.loads(line) for line in done.stdout.splitlines())
    assert error["event"] == "error"
    assert "no task is named 'digitz'; did you mean 'digits'?" in error["message"]
    assert ended | {"seconds": 0} == {
        "event": "ended", "done": 0, "failed": 0, "total": 0, "seconds": 0
    }  # fmt: skip
    assert done.stderr == f"bench: {error['message']}\n"


def test_one_failed_cell_is_said_with_the_command_that_tries_it_again(tmp_path, monkeypatch):
    def fit(*_):
        raise ValueError("of the test")

    text = DIGITS.replace("draws = 2", "draws = 1").replace('[[method]]\nname = "knn"', "")
    (tmp_path / "one.toml").write_text(text)
    monkeypatch.setattr("bench.methods.centroid.Centroid.fit", fit)
    done = bench("run", "one.toml", "--runs", "a b", cwd=tmp_path)
    assert done.returncode == 1
    assert "tiny: 1 cell, 0 done, 1 to run" in done.stderr
    assert "\n1 cell: forecast" in done.stderr
    command = "bench run one.toml --runs 'a b' --retry-failed"
    assert f"\n1 cell failed; to try again: {command}\n" in done.stderr
    again = bench("run", "one.toml", "--retry-failed", "--runs", "a b", cwd=tmp_path)
    assert again.stderr.endswith("to try again: bench run one.toml --retry-failed --runs 'a b'\n")


def test_a_record_by_how_its_id_begins(by_jobs):
    folder = by_jobs[0]
    path = min((folder / "runs/tiny/records").iterdir())
    shown = bench("results", "show", path.name[:12], cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert path.name.partition(".")[0] in shown.stdout
    assert "accuracy" in shown.stdout
    plain = bench("results", "show", path.name[:12], "--json", "--folder", "runs/tiny", cwd=folder)
    assert json.loads(plain.stdout)["record"]["run_id"] == path.name.partition(".")[0]
    wrong = bench("results", "show", "0" * 12, cwd=folder)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("bench: no record")


def test_damage_is_named_and_the_index_made_again(by_jobs, tmp_path):
    folder = tmp_path / "tiny"
    shutil.copytree(by_jobs[0] / "runs/tiny", folder)
    assert bench("results", "verify", folder, cwd=tmp_path).returncode == 0
    path = min((folder / "records").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    damaged = bench("results", "verify", folder, cwd=tmp_path)
    assert damaged.returncode == 1
    assert path.name in damaged.stderr
    path.write_bytes(whole)
    (folder / "index.json").unlink()
    done = bench("results", "reindex", folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (folder / "index.json").exists()


@pytest.mark.parametrize("what", ["records", "predictions"])
def test_what_is_damaged_can_be_removed_and_made_again(by_jobs, tmp_path, what):
    """As the message says: it is true."""
    folder = tmp_path / "runs/tiny"
    shutil.copytree(by_jobs[0] / "runs/tiny", folder)
    (tmp_path / "tiny.toml").write_text(DIGITS)
    before = bench("run", "tiny.toml", cwd=tmp_path)
    assert before.returncode == 0, before.stderr
    path = min((folder / what).iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    refused = bench("table", folder, cwd=tmp_path)
    assert refused.returncode == 2
    assert path.name in refused.stderr
    words = "restore it, or remove it(?: and the record ([0-9a-f]{12}))?, and `bench run` does its"
    named = re.search(words, refused.stderr)[1] or "none"
    path.unlink()
    for record in (folder / "records").glob(f"{named}*"):
        record.unlink()
    again = bench("run", "tiny.toml", cwd=tmp_path)
    assert "3 done, 1 to run" in again.stderr
    assert bench("results", "verify", folder, cwd=tmp_path).returncode == 0


def test_a_folder_that_is_no_runs_is_not_indexed(tmp_path):
    found = bench("results", "reindex", "nope", cwd=tmp_path)
    assert found.returncode == 2
    assert "holds no records" in found.stderr
    assert not (tmp_path / "nope").exists()
