"""Runs of small suites in this process: the real path, without a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.core.record import Status
from bench.runner.plan import make_plan, validated
from bench.runner.workbench import Workbench
from bench.store import Store
from bench.suite_file import parse

EXAMPLES = Path(__file__).parents[2] / "examples"


def plan_of(raw: dict, folder: Path = EXAMPLES, pins: dict | None = None):
    """The plan of a suite given as parsed TOML."""
    return make_plan(validated(parse(raw, folder / "suite.toml")), pins or {})


def digits(**suite) -> dict:
    """A suite that needs no download: 8x8 digits, pixels, the probe."""
    return {
        "suite": {"name": "test", **suite},
        "task": [{"name": "digits", "train": {"per_class": 8}, "test_size": 200}],
        "backbone": [{"name": "raw-pixels"}],
        "method": [{"name": "probe"}],
    }


@pytest.fixture
def workbench(tmp_path):
    return Workbench("cpu", tmp_path / "cache", lambda *_: None)


@pytest.fixture
def run_cells(tmp_path, workbench):
    """Run every cell of a plan and return its records; a failure fails the test."""
    from bench.runner.worker import run_cell

    def run(plan):
        store = Store(tmp_path / "runs")
        records = [run_cell(cell, workbench, store) for cell in plan.cells]
        for record in records:
            assert record.status is Status.OK, record.failure
        return records

    return run
