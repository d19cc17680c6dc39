"""Many records: how long the page takes to be made, and to be seen."""

import os
import time

import pytest

from bench.report import write
from bench.store import Store
from tests.report.chromium import browser, found
from tests.tables.conftest import Maker

pytestmark = pytest.mark.slow


def fill(folder, entrants):
    """Ten tasks, three draws each."""
    make = Maker(Store(folder))
    cells = [
        record.run_id
        for task in range(10)
        for entrant in range(entrants)
        for record in make.draws(
            3, task=f"t{task}", backbone=f"b{entrant // 34}", method=f"m{entrant % 34}", items=1000
        )
    ]
    make.store.write_suite({"name": "big", "version": 1, "cells": cells})
    return folder


def test_ten_thousand_records_are_a_page_in_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    folder = fill(tmp_path / "run", 334)
    start = time.perf_counter()
    write(folder)
    seconds = time.perf_counter() - start
    assert seconds < 20, seconds  # about 10 s on two cores; the margin is for busy machines


@pytest.mark.skipif(found() is None, reason="no chromium is installed (apt install chromium)")
def test_a_thousand_cells_are_seen_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    path = write(fill(tmp_path / "run", 34))
    with browser(tmp_path / "profile") as chrome:
        chrome.screen(1280, 900)
        chrome.open(path)
        paint = "performance.getEntriesByType('paint').map(entry => entry.startTime)"
        seen = [
            at / 1000 for at in chrome.run(f"new Promise(d => setTimeout(() => d({paint}), 500))")
        ]
    assert seen
    assert max(seen) < 2, seen
