"""The page's parts: a table with its figures for each problem, and what stands after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.bars import Bars, bars
from bench.report.drawing import Figure
from bench.report.gather import Found
from bench.report.grids import Grid, budget_grids, grids, ledger_grid
from bench.report.lines import by_budget, by_labels
from bench.report.looks import Looks, looks
from bench.report.scatter import scatter


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A table and the figures that show it; `more` is a further table of the same rows."""

    grid: Grid
    bars: Bars | None = None
    figures: Sequence[Figure] = ()
    more: Grid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """All of the page, in its order."""

    problems: Sequence[Block]
    overall: Sequence[Block]
    curves: Sequence[Block]
    ledger: Grid | None
    others: Sequence[Grid]
    failures: Grid | None


def blocks(found: Found) -> Blocks:
    """What the page shows of a run."""
    made, places = grids(found), _places(found)
    known = looks((row.backbone, row.method) for row in found.board.rows)
    of = {kind: [grid for grid in made if grid.kind == kind] for kind in _KINDS}
    figures = [by_labels(curve, places, known) for curve in found.board.curves]
    return Blocks(
        problems=_problems(found, of["problem"], known),
        overall=[Block(grid=grid) for grid in of["overall"]],
        curves=[
            Block(grid=grid, figures=[figure] if figure else [])
            for grid, figure in zip(of["curve"], figures, strict=True)
        ],
        ledger=ledger_grid(found),
        others=[grid for kind in _OTHERS for grid in of[kind]],
        failures=next(iter(of["failures"]), None),
    )


_OTHERS = ("robustness", "transfer", "students", "controls", "skipped")
_KINDS = ("problem", "overall", "curve", *_OTHERS, "failures")


def _places(found: Found) -> dict[int, int]:
    """A row's place on the board by its `id`: curves hold the very rows of the board."""
    return {id(row): i for i, row in enumerate(found.board.rows)}


def _problems(found: Found, given: Sequence[Grid], known: Looks) -> list[Block]:
    budgets = budget_grids(found)
    made = []
    for grid in given:
        problem = grid.problem
        if problem is None:
            continue
        rows = [
            (line.place, found.board.rows[line.place])
            for line in grid.lines
            if line.place is not None
        ]
        tried = [curve for curve in found.budgets if curve.problem == problem]
        drawn = (scatter(problem, rows, known), by_budget(tried, known) if tried else None)
        made.append(
            Block(
                grid=grid,
                bars=bars(problem, rows),
                figures=[figure for figure in drawn if figure],
                more=budgets.get(problem),
            )
        )
    return made
