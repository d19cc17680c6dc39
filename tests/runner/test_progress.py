"""What a user sees while it happens, and what a program is told."""

from __future__ import annotations

import io

import pytest

from bench.runner.progress import Bar, JsonLines, Lines, display


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
