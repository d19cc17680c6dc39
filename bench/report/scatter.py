"""Score against cost: what an entrant is worth a look for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.report.drawing import NUMBERED, Figure, Key, Mark, Plot, horizontal, numbered, vertical
from bench.report.looks import Looks
from bench.report.naming import entrant, metric_title, scale
from bench.stats import Estimate
from bench.tables import cells
from bench.tables.costs import Costs
from bench.tables.problem import Problem
from bench.tables.rows import Row

Placed: TypeAlias = Sequence[tuple[int, Row]]
"""Rows with their place on the board."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A dimension of what a row costs."""

    name: str
    words: str
    of: Callable[[Costs], float | None]


COSTS = (
    Cost("seconds", "seconds per cell", lambda spent: spent.seconds),
    Cost("memory", "peak memory, MB", lambda spent: _millions(spent.bytes_peak)),
    Cost("device memory", "peak device memory, MB", lambda s: _millions(s.bytes_peak_device)),
    Cost("parameters", "parameters of the backbone, M", lambda s: _millions(s.parameters)),
)


@dataclass(frozen=True, slots=True)
class _Point:
    number: int
    place: int
    row: Row
    value: Estimate


def scatter(problem: Problem, rows: Placed, known: Looks) -> Figure | None:
    """Score against each cost in which rows differ; rows on the front are filled."""
    points = [
        _Point(number, place, row, row.value)
        for number, (place, row) in enumerate(rows, 1)
        if row.value is not None
    ]
    plots = [plot for cost in COSTS if (plot := _plot(problem, points, known, cost))]
    if not plots:
        return None
    return Figure(
        title="Score against cost",
        note="Filled: on the front. Lines: 95 % intervals. A mark opens its row.",
        plots=tuple(plots),
        keys=_keys(points, known),
    )


def _keys(points: Sequence[_Point], known: Looks) -> tuple[Key, ...]:
    """Of all rows, or where they are many of those on the front, as far as there is room."""
    many = len(points) > NUMBERED
    shown = [point for point in points if point.row.front][:NUMBERED] if many else points
    return tuple(
        Key(
            look=known[point.row.backbone, point.row.method],
            text=entrant(point.row.backbone, point.row.method),
            number=0 if many else point.number,
            solid=point.row.front,
        )
        for point in shown
    )


def _plot(problem: Problem, points: Sequence[_Point], known: Looks, cost: Cost) -> Plot | None:
    """None where fewer than two costs differ."""
    costs = {point.place: found for point in points if (found := cost.of(point.row.costs))}
    if len(set(costs.values())) < 2:
        return None
    there = [point for point in points if point.place in costs]
    times = scale(problem.metric)
    x = horizontal(costs.values(), log=True)
    y = vertical(times * v for point in there for v in (point.value.low, point.value.high))
    marks = [
        Mark(
            x=x.at(costs[point.place]),
            y=y.at(times * point.value.mean),
            low=y.at(times * point.value.low),
            high=y.at(times * point.value.high),
            look=known[point.row.backbone, point.row.method],
            solid=point.row.front,
            number=point.number if len(points) <= NUMBERED else 0,
            title=f"{entrant(point.row.backbone, point.row.method)}:"
            f" {cells.with_interval(point.value, problem.metric)},"
            f" {cells.amount(costs[point.place])} {cost.words}",
            backbone=point.row.backbone,
            method=point.row.method,
            place=point.place,
        )
        for point in there
    ]
    return Plot(
        name=cost.name,
        alt=f"{cells.metric_words(problem.metric)} against {cost.words}: {len(marks)} entrants of"
        f" {problem.title}. The table has the numbers.",
        x_title=cost.words,
        y_title=metric_title(problem.metric),
        x_ticks=tuple(x.ticks()),
        y_ticks=tuple(y.ticks()),
        marks=tuple(numbered(marks) if len(points) <= NUMBERED else marks),
    )


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
