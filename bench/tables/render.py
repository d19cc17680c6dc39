"""A board in one of the formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from bench.core.errors import UserError, did_you_mean
from bench.tables.board import Board
from bench.tables.latex import latex
from bench.tables.markdown import markdown
from bench.tables.plain import as_json
from bench.tables.sheet import csv


class Format(StrEnum):
    """What a table can be written as."""

    MARKDOWN = "md"  # for people, on a forge
    CSV = "csv"  # for spreadsheets
    LATEX = "latex"  # for papers
    JSON = "json"  # for programs


RENDERERS: Mapping[Format, Callable[[Board], str]] = {
    Format.MARKDOWN: markdown,
    Format.CSV: csv,
    Format.LATEX: latex,
    Format.JSON: as_json,
}

FILES: Mapping[Format, str] = {
    Format.MARKDOWN: "leaderboard.md",
    Format.CSV: "leaderboard.csv",
    Format.LATEX: "leaderboard.tex",
    Format.JSON: "leaderboard.json",
}


def render(board: Board, format: str) -> str:  # noqa: A002 -- the word that users say
    """Text of a board: a pure function, byte for byte the same for the same records.

    Raises:
        UserError: if there is no such format.
    """
    known = [kind.value for kind in Format]
    if format not in known:
        raise UserError(f"no table format is named {format!r}{did_you_mean(format, known)}")
    return RENDERERS[Format(format)](board)
