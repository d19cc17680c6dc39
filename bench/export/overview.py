"""The public leaderboard: the top of each published folder on a page, from records alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.core.amounts import counted
from bench.core.errors import StoreError
from bench.store import Store
from bench.tables import Board, board, cells, escape
from bench.tables.rows import Row

ROWS = 18
"""Of a suite's section, about: with its heading a screen."""
LEAST, MOST = 2, 6
"""Rows of a task, however many tasks there are."""
NAME = "README.md"


def published(results: Path) -> list[Path]:
    """The published folders of `results`, by name.

    Raises:
        StoreError: if there is none.
    """
    found = sorted(path.parent for path in results.glob("*/suite.json"))
    if not found:
        raise StoreError(f"{results} holds no published folder (`bench publish` makes one)")
    return found


def overview(results: Path) -> str:
    """A page over the published folders of `results`, a section each.

    Raises:
        StoreError: if there is none, or a record is damaged.
    """
    return page(results, {folder: board(Store(folder)) for folder in published(results)})


def page(results: Path, boards: Mapping[Path, Board]) -> str:
    """The same from boards by their folder.

    Raises:
        StoreError: if a folder does not say of which suite it is.
    """
    parts = ["# Results", LEGEND]
    for folder, found in boards.items():
        parts += _suite(folder.name, Store(folder).suite(), found)
    if beside := list(_beside(results)):
        parts += ["## Beside them", "\n".join(beside)]
    return "\n\n".join(parts) + "\n"


def _suite(folder: str, suite: dict[str, Any], found: Board) -> list[str]:
    devices = ", ".join(found.places)
    when = found.first if found.first == found.last else f"{found.first} to {found.last}"
    lines = [f"## {escape.markdown(found.suite)}"]
    if description := str(suite.get("description", "")):
        lines.append(f"{escape.markdown(description, 300)}.")
    lines.append(
        f"{escape.markdown(devices, 300)} · {when} ·"
        f" {found.records:,} of {counted(found.cells, 'cell')} · version {found.version} ·"
        f" [everything]({quote(folder)}/leaderboard.md)"
    )
    rows = [row for row in found.rows if row.control is None]
    return [*lines, _table(found, rows)] if rows else [*lines, "No result yet."]


def _table(found: Board, rows: list[Row]) -> str:
    from tabulate import tabulate

    rows = [row for row in rows if row.problem not in found.changed] or rows
    problems = [p for p in found.problems if any(row.problem == p for row in rows)]
    most = min(MOST, max(LEAST, ROWS // len(problems)))
    made = []
    for problem in problems:
        own = [row for row in rows if row.problem == problem]
        ranks = cells.ranks([row.rank for row in own])
        for place, (row, rank) in enumerate(list(zip(own, ranks, strict=True))[:most]):
            title = f"{escape.markdown(problem.title)}, best of {len(own)}"
            metric = problem.metric
            score = f"{cells.metric_words(metric)} {cells.with_interval(row.value, metric)}"
            made.append(
                [
                    "" if place else title,
                    rank,
                    escape.markdown(row.backbone),
                    escape.markdown(row.method),
                    score,
                    cells.whole(row.value.items if row.value else None),
                    cells.whole(row.value.draws if row.value else 0),
                    cells.amount(row.costs.seconds),
                    cells.runs(row.run_ids, 1),
                ]
            )
    head = ["task", "rank", "backbone", "method", "score (95 % CI)", "n test", "draws"]
    text: str = tabulate(
        made,
        headers=[*head, "s per cell", "records"],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left", "right", "left", "left", *["right"] * 4, "left"],
    )
    return text


def _beside(results: Path) -> Iterator[str]:
    """Links to the pages about other things that lie in the folder."""
    pages = [*results.glob(f"*/{NAME}"), *(p for p in results.glob("*.md") if p.name != NAME)]
    for page in sorted(pages):
        first = page.read_text(encoding="utf-8").partition("\n")[0]
        name = page.parent.name if page.name == NAME else page.stem
        title = first.removeprefix("# ") if first.startswith("# ") else name
        yield f"- [{escape.markdown(title)}]({quote(page.relative_to(results).as_posix())})"


LEGEND = (
    "What is published here, the top of each suite; made by `make tables` (and `make publish`) from"
    " the records in its folder, and from nothing else. Scores in percent where they are shares;"
    " 95 % intervals over draws and test items (with one draw: test items alone). A rank with = is"
    " shared: no difference is shown. How to read the full tables:"
    " [README](../README.md#what-comes-out)."
)
