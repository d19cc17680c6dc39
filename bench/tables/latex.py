"""LaTeX: one `table` per section, to be `\\input` into a paper."""

from __future__ import annotations

from bench.tables import escape, words
from bench.tables.board import Board
from bench.tables.columns import Column, Section
from bench.tables.sections import sections

HIDDEN = ("records", "record", "message")
"""Columns too wide for a page; they stand in the other formats."""


def latex(board: Board) -> str:
    """A comment with the origin, then the tables; wants `\\usepackage{booktabs}`, and UTF-8."""
    origin = f"% {escape.latex(words.origin(board), 1000)}"
    record = "% The records behind each row: leaderboard.csv and leaderboard.json."
    record += "\n% Wants \\usepackage{booktabs}."
    legend = f"% {escape.latex(words.legend(board), 2000)}"
    return "\n\n".join([f"{origin}\n{legend}\n{record}", *map(_table, sections(board))]) + "\n"


def _table(section: Section) -> str:
    from tabulate import tabulate

    columns = [column for column in section.columns if column.head not in HIDDEN]
    body: str = tabulate(
        list(zip(*map(_cells, columns), strict=True)),
        headers=[escape.latex(column.head) for column in columns],
        tablefmt="latex_raw",
        disable_numparse=True,
        colalign=["left" if column.outside else "right" for column in columns],
    )
    for rule in ("toprule", "midrule", "bottomrule"):  # tabulate's booktabs would escape again
        body = body.replace("\\hline", f"\\{rule}", 1)
    caption = escape.latex(f"{section.title}. {section.note}", 1000)
    return f"\\begin{{table}}\n\\caption{{{caption}}}\n{body}\n\\end{{table}}"


def _cells(column: Column) -> list[str]:
    if not column.outside:
        return list(column.cells)
    return [escape.latex(cell) for cell in column.cells]
