"""Tables, the report and the gate on many records, timed by pytest-benchmark: `make microbench`.

Real stored predictions of 1,000 items, altered: ten tasks, a third as many entrants as records
a task, three draws each.
"""

import os
from dataclasses import replace

import numpy as np
import pytest

from bench.core.identity import digest
from bench.gate import check, render
from bench.report import html
from bench.store import Store
from bench.tables import table
from tests.gate.planted import Stored, altered, stored, write

TASKS = 10
ENTRANTS = [33, 333]  # 990 and 9,990 records


def named(row: Stored, task: str, method: str) -> Stored:
    """The same records under other names, as of other data."""
    made = []
    for record in row.records:
        identity = {**record.identity, "data": digest(task), "name": method}
        run_id = digest([identity, record.draw])
        made.append(
            replace(
                record, task=task, method=method, run_id=run_id, identity=identity, suite="many"
            )
        )
    return replace(row, records=tuple(made))


@pytest.fixture(scope="module", params=ENTRANTS, ids=lambda n: f"{3 * TASKS * n}_records")
def folders(request, tmp_path_factory):
    """A baseline and a candidate that differ in every row."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("many")
    rows = [
        (named(stored()[t % len(stored())], f"t{t}", f"m{m}"), rng.uniform(0.0, 0.3))
        for t in range(TASKS)
        for m in range(request.param)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # of making them; reading has none
        for side in ("base", "head"):
            made = [(row, altered(row, rng, fall=fall, rise=0.02)) for row, fall in rows]
            write(root / side, made)
    return root / "base", root / "head"


def once(benchmark, timed, *arguments):
    benchmark.pedantic(timed, arguments, rounds=3, warmup_rounds=1)


def test_reading_records(benchmark, folders):
    once(benchmark, Store(folders[0]).final)


def test_the_table(benchmark, folders):
    once(benchmark, table, folders[0])


def test_the_report(benchmark, folders):
    once(benchmark, html, folders[0])


def test_the_gate(benchmark, folders):
    once(benchmark, lambda: render(check(*folders)))
