"""An engine without a process, for tests of the launcher's decisions."""

from __future__ import annotations

from collections import deque

from bench.core.record import Failure
from bench.runner.engine import Began, Finished
from bench.runner.identify import failed
from bench.runner.workbench import Workbench
from bench.runner.worker import run_cell


class InProcess:
    """Executes here, one job a poll; see `bench.runner.engine.Engine`.

    Args:
        on: the kind of device it says it has.
        fail: kinds of failure by what `name` gives for a cell.
        name: what tests know a cell by.
    """

    slots = 1

    def __init__(self, store, cache, *, on="cpu", fail=(), name=lambda cell: cell.draw):
        self.store, self.fail, self.name, self.ran = store, dict(fail), name, []
        self.bench = Workbench("cpu", cache, lambda *_: None, store)
        self.on, self.device, self.jobs = on, "", deque()

    def start(self):
        self.device = self.on

    def submit(self, job):
        self.jobs.append(job)

    def poll(self, _seconds):
        if not self.jobs:
            return []
        job = self.jobs.popleft()
        cell = job.cell
        self.ran.append(self.name(cell))
        if (kind := self.fail.get(self.name(cell))) is not None:
            failure = Failure(kind=kind, message="of the test")
            record = failed(cell, self.store.next_attempt(cell.run_id), self.on, failure)
            self.store.add(record)
        else:
            record = run_cell(cell, self.bench, self.store, halvings=job.halvings)
        return [Began(cell), Finished(cell, record)]

    def cancel(self, run_id):
        self.jobs = deque(job for job in self.jobs if job.cell.run_id != run_id)

    def close(self):
        pass


def in_process(store, cache, _placement):
    """For `run_suite(..., engine=in_process)`, where the process is not what is tested: starting
    one and importing torch there takes longer than most suites of a test."""
    return InProcess(store, cache)
