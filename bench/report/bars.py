"""Bars: the scores of one problem with their intervals, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.axes import Tick, linear
from bench.report.drawing import WIDTH
from bench.report.naming import entrant, metric_title, scale
from bench.tables import cells
from bench.tables.problem import Problem
from bench.tables.rows import Row

MOST = 40
"""Bars of a figure; the table has all rows."""
STEP, FIRST = 30, 6
LEFT, RIGHT = 8, 346


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row: its bar from `start` to `end`, the interval from `low` to `high`."""

    y: int
    start: float
    end: float
    low: float
    high: float
    text: str
    value: str
    ranked: bool
    backbone: str
    method: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """All bars of a problem."""

    alt: str
    note: str
    title: str
    width: int
    height: int
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]


def bars(problem: Problem, rows: Sequence[tuple[int, Row]]) -> Bars | None:
    """Bars from 0, since their lengths are compared; None where nothing succeeded."""
    there = [(place, row, row.value) for place, row in rows if row.value is not None]
    shown = there[:MOST]
    if not shown:
        return None
    times = scale(problem.metric)
    values = [times * v for _, _, value in shown for v in (value.low, value.high)]
    axis = linear(values, LEFT, RIGHT, zero=True)
    left_out = f" The first {len(shown)} of {len(there)}." if len(shown) < len(there) else ""
    hollow = "" if all(row.rank is not None for _, row, _ in shown) else " Striped: without a rank."
    return Bars(
        alt=f"{cells.metric_words(problem.metric)} of {len(shown)} entrants of {problem.title}."
        " The table has the numbers.",
        note=f"Bars from 0, lines: 95 % intervals.{hollow}{left_out}",
        title=metric_title(problem.metric),
        width=WIDTH,
        height=FIRST + STEP * len(shown) + 36,
        ticks=tuple(axis.ticks()),
        bars=tuple(
            Bar(
                y=FIRST + STEP * i,
                start=axis.at(0.0),
                end=axis.at(times * value.mean),
                low=axis.at(times * value.low),
                high=axis.at(times * value.high),
                text=entrant(row.backbone, row.method),
                value=cells.with_interval(value, problem.metric),
                ranked=row.rank is not None,
                backbone=row.backbone,
                method=row.method,
                place=place,
            )
            for i, (place, row, value) in enumerate(shown)
        ),
    )
