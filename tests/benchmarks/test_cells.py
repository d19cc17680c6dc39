"""What a cell costs beside its own phases, with a warm worker, timed by pytest-benchmark."""

import time

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


def test_a_run_of_small_cells(benchmark, tmp_path, suite_file, monkeypatch):
    """The whole run is timed; beside it what a cell costs beyond its phases, without the first ten
    (imports, data): `extra_info` in the stored file."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    clock, options = Clock(), Options(tmp_path / "runs", "cpu", workers=1)
    outcome = benchmark.pedantic(run_suite, (suite_file(SUITE), options, clock), rounds=1)
    own = [record.seconds for record in outcome.records if record.draw >= 10]
    beside = (clock.times[-1] - clock.times[9] - sum(own)) / len(own)
    benchmark.extra_info["milliseconds_a_cell"] = round(1e3 * beside, 2)
