"""CSV: the frame for a spreadsheet."""

from __future__ import annotations

from bench.tables import escape
from bench.tables.board import Board
from bench.tables.frame import frame_of


def csv(board: Board) -> str:
    """All columns of the frame; numbers to 6 digits, what is missing empty."""
    table = frame_of(board)
    table["run_ids"] = [" ".join(ids) for ids in table["run_ids"]]
    for name in table.columns:
        if table[name].map(lambda cell: isinstance(cell, str)).any() and name != "run_ids":
            table[name] = table[name].map(_cell)
    text: str = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    return text


def _cell(cell: object) -> object:
    return escape.csv(cell) if isinstance(cell, str) else cell
