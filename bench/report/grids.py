"""Tables of the page: the sections of bench.tables, each row with what it comes from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench.core.inert import clean
from bench.report.gather import Found
from bench.tables.columns import Column, Section
from bench.tables.problem import Problem
from bench.tables.robustness import Sturdy
from bench.tables.sections import sections

NAME = 200
"""Characters of a name in a cell."""
MESSAGE = 2000
"""Characters of a failure's reason."""

_ON_PHONES = {"rank", "backbone", "method", "mean (95 % CI)"}
"""Columns that a narrow screen shows at once; the others on demand."""

_IN_THE_ROW = {"records", "record"}
"""Columns of shortened run ids: a row opens with all of its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: whose it is, the records it comes from, and its place on the board if it has one."""

    task: str = ""
    backbone: str = ""
    method: str = ""
    runs: tuple[str, ...] = ()
    place: int | None = None
    front: bool = False
    cells: tuple[str, ...] = ()
    at: tuple[int, ...] = ()
    tie: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A column: whether its cells are words from outside, can wait on a phone, open the row."""

    text: str
    words: bool
    extra: bool
    opens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One table; `kind` is what its rows are of."""

    kind: str
    title: str
    note: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows of a section are, in their order."""

    kind: str
    lines: list[Line]
    problem: Problem | None = field(default=None)


def grids(found: Found) -> list[Grid]:
    """Every table that `bench table` writes, in its order."""
    told = [rows for rows in _rows(found) if rows.lines]
    return [
        _grid(found, section, rows)
        for section, rows in zip(sections(found.board), told, strict=True)
    ]


def ledger_grid(found: Found) -> Grid | None:
    """The table of costs, whose rows are places on the board too."""
    place = {
        (row.problem, row.backbone, row.method): i
        for i, row in enumerate(found.board.rows)
        if row.control is None
    }
    lines = [
        Line(
            task=e.problem.title,
            backbone=e.backbone,
            method=e.method,
            runs=e.run_ids,
            place=place.get((e.problem, e.backbone, e.method)),
        )
        for e in found.entries
    ]
    made = [_grid(found, section, _Rows("ledger", lines)) for section in found.ledger_view.sections]
    return made[0] if made else None


def budget_grids(found: Found) -> dict[Problem, Grid]:
    """The table of each problem's scores by trials."""
    problems = list(dict.fromkeys(curve.problem for curve in found.budgets))
    made = {}
    for problem, section in zip(problems, found.budget_view.sections, strict=True):
        lines = [
            Line(task=problem.title, backbone=c.backbone, method=c.method, runs=c.run_ids)
            for c in found.budgets
            if c.problem == problem
            for _ in c.steps
        ]
        made[problem] = _grid(found, section, _Rows("budget", lines, problem))
    return made


def _grid(found: Found, section: Section, rows: _Rows) -> Grid:
    longest = MESSAGE if rows.kind == "failures" else NAME
    shown = [column for column in section.columns if column.head not in _IN_THE_ROW]
    columns = [
        [clean(cell, longest) if column.outside else cell for cell in column.cells]
        for column in shown
    ]
    ties = _ties(shown[0])
    lines = [
        Line(
            task=clean(line.task, NAME),
            backbone=clean(line.backbone, NAME),
            method=clean(line.method, NAME),
            runs=line.runs,
            place=line.place,
            front=line.front,
            cells=cells,
            at=tuple(found.origins.places(line.runs)),
            tie=tie,
        )
        for line, cells, tie in zip(rows.lines, zip(*columns, strict=True), ties, strict=True)
    ]
    return Grid(
        kind=rows.kind,
        title=clean(section.title, NAME),
        note=clean(section.note, MESSAGE),
        heads=_heads(shown, rows.kind),
        lines=tuple(lines),
        problem=rows.problem,
    )


def _heads(columns: Sequence[Column], kind: str) -> tuple[Head, ...]:
    names = [column.head for column in columns]
    opener = next((n for n in ("method", "message", "backbone") if n in names), "")
    main = next((name for name in names if name.endswith("(95 % CI)")), "")
    short = kind in {"problem", "overall"}
    return tuple(
        Head(
            text=clean(name, NAME),
            words=column.outside,
            extra=short and name not in _ON_PHONES and name != main,
            opens=name == opener,
        )
        for name, column in zip(names, columns, strict=True)
    )


def _ties(first: Column) -> list[str]:
    """Rows of one rank after the other have one shade; without ranks there is none."""
    if first.head != "rank":
        return [""] * len(first.cells)
    number = {rank: i for i, rank in enumerate(dict.fromkeys(first.cells))}
    return ["even" if number[rank] % 2 == 0 else "odd" for rank in first.cells]


def _rows(found: Found) -> Iterator[_Rows]:
    """In the order of `bench.tables.sections`."""
    board = found.board
    for problem in board.problems:
        lines = [
            Line(
                task=problem.title,
                backbone=row.backbone,
                method=row.method,
                runs=row.run_ids,
                place=i,
                front=row.front,
            )
            for i, row in enumerate(board.rows)
            if row.problem == problem and row.control is None
        ]
        yield _Rows("problem", lines, problem)
    for curve in board.curves:
        along = [(line, [row for row in line.rows if row is not None]) for line in curve.lines]
        yield _Rows(
            "curve",
            [
                Line(
                    task=curve.title,
                    backbone=line.backbone,
                    method=line.method,
                    runs=_together(row.run_ids for row in rows),
                )
                for line, rows in along
            ],
        )
    for held in board.robustness:
        yield _Rows("robustness", [_sturdy(held.problem, line) for line in held.lines])
    runs: dict[tuple[str, str, str], tuple[str, ...]] = defaultdict(tuple)  # of the incomplete
    for row in board.rows:
        if row.control is None:
            runs[row.problem.modality, row.backbone, row.method] += row.run_ids
    for of in dict.fromkeys((entry.modality, entry.train) for entry in board.overall):
        yield _Rows(
            "overall",
            [
                Line(
                    backbone=e.backbone,
                    method=e.method,
                    runs=e.run_ids or runs[e.modality, e.backbone, e.method],
                )
                for e in board.overall
                if (e.modality, e.train) == of
            ],
        )
    yield from _others(found)


def _others(found: Found) -> Iterator[_Rows]:
    board = found.board
    place = {
        (row.problem, row.backbone, row.method, row.control): i for i, row in enumerate(board.rows)
    }
    yield _Rows(
        "transfer",
        [
            Line(task=of.problem.title, backbone=one.backbone, runs=one.run_ids)
            for of in board.transfers
            for one in of.backbones
        ],
    )
    yield _Rows(
        "students",
        [
            Line(task=s.problem.title, backbone=s.backbone, method=s.method, runs=s.run_ids)
            for s in board.students
        ],
    )
    yield _Rows(
        "controls",
        [
            Line(
                task=check.problem.title,
                backbone=check.backbone,
                method=check.method,
                runs=check.run_ids,
                place=place.get((check.problem, check.backbone, check.method, check.control)),
            )
            for check in board.checks
        ],
    )
    yield _Rows(
        "failures",
        [
            Line(task=f.task, backbone=f.backbone, method=f.method, runs=(f.run_id,))
            for f in board.failed
        ],
    )
    yield _Rows(
        "skipped",
        [Line(task=s.task, backbone=s.backbone, method=s.method) for s in board.skipped],
    )


def _sturdy(problem: Problem, line: Sturdy) -> Line:
    rows = [line.clean, *(held.row for held in line.held if held.row is not None)]
    return Line(
        task=problem.title,
        backbone=line.clean.backbone,
        method=line.clean.method,
        runs=_together(row.run_ids for row in rows),
    )


def _together(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(run for runs in found for run in runs)
