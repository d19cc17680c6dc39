"""Markdown: what a results folder shows on a forge."""

from __future__ import annotations

from bench.tables import escape, words
from bench.tables.board import Board
from bench.tables.sections import Column, sections

MESSAGE = 200
"""Characters of a cell that a table shows: a failure's message is the longest."""


def markdown(board: Board) -> str:
    """A heading, the line of origin, and a section per table."""
    from tabulate import tabulate

    parts = [f"# {_text(words.heading(board))}", _text(words.origin(board), 1000)]
    if board.rows:
        parts.append(_text(words.LEGEND, 2000))
    for section in sections(board):
        parts.append(f"## {_text(section.title)}")
        parts.append(_text(section.note, 1000))
        parts.append(
            tabulate(
                list(zip(*map(_cells, section.columns), strict=True)),
                headers=[_text(column.head) for column in section.columns],
                tablefmt="pipe",
                disable_numparse=True,
                colalign=["left" if column.outside else "right" for column in section.columns],
            )
        )
    return "\n\n".join(parts) + "\n"


def _cells(column: Column) -> list[str]:
    if not column.outside:
        return list(column.cells)
    return [_text(cell, MESSAGE) for cell in column.cells]


def _text(text: str, longest: int = escape.LONGEST) -> str:
    return escape.markdown(text, longest)
