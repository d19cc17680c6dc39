"""The table of faults: printed after the tests, and written by `make faults`."""

from __future__ import annotations

import os
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
    ROWS.extend(made.values())
    yield made
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
    """Note what was skipped: a fault that needs a device this machine lacks."""
    if report.skipped and "fault" in report.keywords:
        ((number, words),) = [args for name, args in report.user_properties if name == "fault"]
        MISSING[number] = words


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if mark := item.get_closest_marker("fault"):
        item.user_properties.append(("fault", mark.args))


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    text = table(ROWS, MISSING)
    terminalreporter.section("faults")
    terminalreporter.write_line(text if FULL else text.splitlines()[-1])
    if FULL and (path := os.environ.get("FAULTS_TABLE")):
        Path(path).write_text(f"{text}\n")
