"""The table of faults: printed after the tests, and written by `make faults`.

A test with a mark `fault(number, words)` is a row. One that counts takes the fixture `trials`; any
other is one trial, which survived if it passed. Counts travel in a test's report, so that they
arrive from the processes of pytest-xdist, too.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.faults.kit import FULL, Trials, table

ROWS: list[Trials] = []
MISSING: dict[int, str] = {}


@pytest.fixture
def rows(request):
    """A row for each mark `@pytest.mark.fault(number, words)` of the test, by its number."""
    marks = list(request.node.iter_markers("fault"))
    made = {mark.args[0]: Trials(*mark.args) for mark in marks}
    yield made
    for row in made.values():
        request.node.user_properties.append(("fault-row", asdict(row)))
    for row in made.values():
        assert row.tried, f"fault {row.fault} without a trial"
        assert row.survived == row.tried
        assert row.lost == 0


@pytest.fixture
def trials(rows):
    """The row of a test of one fault."""
    (row,) = rows.values()
    return row


def pytest_runtest_logreport(report):
    """Count a test that does not count itself; note what was skipped."""
    if report.when == "teardown":
        counted = [row for name, row in report.user_properties if name == "fault-row"]
        ROWS.extend(Trials(**row) for row in counted)
    marks = [args for name, args in report.user_properties if name == "fault"]
    for number, words, counts in marks:
        if report.skipped:
            MISSING[number] = words
        elif report.when == "call" and not counts:
            ROWS.append(Trials(number, words, tried=1, survived=int(report.passed)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    counts = "rows" in item.fixturenames
    for mark in item.iter_markers("fault"):
        item.user_properties.append(("fault", (*mark.args, counts)))


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    text = table(ROWS, MISSING)
    terminalreporter.section("faults")
    terminalreporter.write_line(text if FULL else text.splitlines()[-1])
    if FULL and (path := os.environ.get("FAULTS_TABLE")):
        Path(path).write_text(f"{text}\n")
