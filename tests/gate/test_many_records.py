import os
import time
from dataclasses import replace

import numpy as np
import pytest

from bench.core.identity import digest
from bench.gate import check, render
from tests.gate.planted import Stored, altered, stored, write

ROWS = 3334
VARIANTS = 25  # of predictions: rows share files, and each is read as often as it is named


def named(row: Stored, name: str) -> Stored:
    records = tuple(
        replace(
            record,
            method=name,
            run_id=digest([name, record.draw]),
            identity={**record.identity, "name": name},
        )
        for record in row.records
    )
    return replace(row, records=records)


@pytest.mark.slow
def test_ten_thousand_records_a_side_are_judged_in_seconds(tmp_path, monkeypatch):
    """3,334 rows of three draws and 1,000 items, none of them as in the baseline."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # of making them; reading has none
    rng, row = np.random.default_rng(0), stored()[0]
    for side in ("base", "head"):
        sides = [altered(row, rng, fall=0.05, rise=0.05) for _ in range(VARIANTS)]
        rows = [(named(row, f"m{i}"), sides[i % VARIANTS]) for i in range(ROWS)]
        write(tmp_path / side, rows)
    start = time.process_time()  # of this process, which uses one core: other loads do not count
    found = check(tmp_path / "base", tmp_path / "head")
    text = render(found)
    seconds = time.process_time() - start
    assert found.family == ROWS
    assert text.count("\n") > ROWS
    assert seconds < 10, seconds  # about 5 s
