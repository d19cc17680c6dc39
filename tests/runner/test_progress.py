"""What a user sees while it happens, and what a program is told."""

from __future__ import annotations

import contextlib
import io
import json

import pytest

from bench.core.errors import UserError
from bench.runner.forecast import Forecast
from bench.runner.progress import Bar, JsonLines, Lines, TimeLeft, display, duration
from bench.store import Holder
from tests.runner.conftest import digits, plan_of
from tests.store_kit import record

CELL = plan_of(digits()).cells[0]


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "term", "kind"),
    [
        (Terminal(), "xterm-256color", Bar),
        (Terminal(), "dumb", Lines),  # where a bar would be drawn once, at the end
        (Terminal(), "unknown", Lines),
        (io.StringIO(), "xterm-256color", Lines),
    ],
)
def test_a_bar_is_for_a_terminal_that_can_draw_one(monkeypatch, stream, term, kind):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", term)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    assert type(display()) is kind
    assert type(display(json_lines=True)) is JsonLines


@pytest.mark.parametrize(
    ("error", "message"),
    [(UserError("no task"), "no task"), (KeyError("x"), "KeyError: 'x'"), (SystemExit(), None)],
)
def test_what_ends_a_run_is_told_before_the_end(capsys, error, message):
    with contextlib.suppress(UserError, KeyError, SystemExit), JsonLines():
        raise error
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.get("message") for event in told] == ([message] if message else []) + [None]
    assert told[-1]["event"] == "ended"


def test_the_time_left_follows_what_cells_take():
    now = [0.0]
    left = TimeLeft(10, 100.0, clock=lambda: now[0])
    assert left.seconds() == 100.0  # nothing is known but the forecast
    now[0] = 50.0  # workers start
    left.started()
    for _ in range(4):
        now[0] += 20.0
        left.finished()
    # four cells took 80 s where 40 were foreseen: (80 + 10) / (5 * 10) of the forecast
    assert left.seconds() == pytest.approx(6 * 10 * 90 / 50)
    for _ in range(6):
        left.finished()
    assert left.seconds() == 0.0


def test_starting_a_worker_is_no_cells_time(capsys):
    now = [0.0]
    lines = Lines(lambda: now[0])
    lines.planned(3, 0, 0, Forecast(3.0, 0, 0))
    now[0] = 600.0
    for _ in range(3):
        lines.started(CELL)
        now[0] += 1.0
        lines.finished(CELL, record())
    said = [line.partition(" in ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == ["0.0 s (2 s left)", "0.0 s (1 s left)", "0.0 s"]


def test_what_another_launcher_did_before_the_first_cell_took_no_time():
    now = [0.0]
    left = TimeLeft(10, 100.0, clock=lambda: now[0])
    left.finished()
    assert left.seconds() == pytest.approx(90.0)
    left.started()
    now[0] = 10.0
    left.finished()
    assert left.seconds() == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (120, "2 min"), (7200, "2.0 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_who_is_waited_for_is_named(capsys):
    holder = Holder("0123456789", 7, here=False, until=0.0)
    Lines().waiting(1, [holder])
    said = capsys.readouterr().err
    assert said.startswith("waiting for 1 cell that another launcher has in hand: process 7 on")
    JsonLines().waiting(2, [holder])
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["cells"]) == ("waiting", 2)
    assert told["holders"] == [{"pid": 7, "machine": "0123456789", "until": 0.0}]
