"""What a cell costs beside its own phases, with a warm worker, timed by pytest-benchmark."""

import time

import pytest

from bench.runner.progress import Quiet
from bench.runner.run import Options, run_suite

CELLS = 200
SUITE = f"""
[suite]
name = "overhead"
draws = {CELLS}
budget = {{ trials = 1 }}
[[task]]
name = "digits"
train = {{ per_class = 4 }}
test_size = 50
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
"""


class Clock(Quiet):
    """Notes when cells are finished."""

    def __init__(self):
        self.times = []

    def finished(self, cell, record):
        self.times.append(time.perf_counter())


@pytest.fixture
def overhead(tmp_path, suite_file, monkeypatch):
    """Seconds a cell beside its phases, without the first ten cells (imports, data)."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    clock = Clock()
    outcome = run_suite(suite_file(SUITE), Options(tmp_path / "runs", "cpu", workers=1), clock)
    own = [record.seconds for record in outcome.records if record.draw >= 10]
    return (clock.times[-1] - clock.times[9] - sum(own)) / len(own)


def test_overhead_of_a_cell(benchmark, overhead):
    benchmark.extra_info["milliseconds_a_cell"] = round(1e3 * overhead, 2)
    benchmark.pedantic(time.sleep, (overhead,), rounds=3)  # so that it stands in the table
