"""Markdown: what a results folder shows on a forge."""

from __future__ import annotations

from collections.abc import Iterable

from bench.core.inert import LONGEST
from bench.tables import escape, words
from bench.tables.board import Board
from bench.tables.columns import Column, Section
from bench.tables.sections import sections

MESSAGE = 200
"""Characters of a cell that a table shows: a failure's message is the longest."""


def markdown(board: Board) -> str:
    """A heading, the line of origin, and a section per table."""
    legend = [words.legend(board)] if board.rows else []
    return document(words.heading(board), [words.origin(board), *legend], sections(board))


def document(heading: str, lines: Iterable[str], tables: Iterable[Section]) -> str:
    """A heading, lines below it, and a section per table."""
    parts = [f"# {_text(heading)}", *(_text(line, 2000) for line in lines)]
    for section in tables:
        note = [_text(section.note, 1000)] if section.note else []
        parts += [f"## {_text(section.title)}", *note, _table(section)]
    return "\n\n".join(parts) + "\n"


def _table(section: Section) -> str:
    from tabulate import tabulate

    text: str = tabulate(
        list(zip(*map(_cells, section.columns), strict=True)),
        headers=[_text(column.head) for column in section.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left" if column.outside else "right" for column in section.columns],
    )
    return text


def _cells(column: Column) -> list[str]:
    if not column.outside:
        return list(column.cells)
    return [_text(cell, MESSAGE) for cell in column.cells]


def _text(text: str, longest: int = LONGEST) -> str:
    return escape.markdown(text, longest)
