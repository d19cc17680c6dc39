"""Scores by labels, and by trials and seconds of tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.report.drawing import Figure, Mark, Plot, horizontal, vertical
from bench.report.looks import Looks
from bench.report.naming import (
    LINES,
    entrant,
    few_of,
    line_keys,
    metric_title,
    scale,
    stroke,
)
from bench.tables import cells
from bench.tables.budget import BudgetCurve, Mean, Step
from bench.tables.curves import Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A value on a line, in the figure's units."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    solid: bool = True
    title: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    backbone: str
    method: str
    points: Sequence[_Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What is said of a plot, and how its bottom is scaled."""

    name: str
    alt: str
    x_title: str
    y_title: str
    log: bool
    steps: bool = False


def by_labels(curve: Curve, places: Mapping[int, int], known: Looks) -> Figure | None:
    """A task's scores by labels a class; `places` has a row's place on the board by its `id`."""
    times = scale(curve.metric)
    lines = []
    for line in curve.lines:
        name = entrant(line.backbone, line.method)
        points = [
            _Point(
                x=labels,
                y=times * row.value.mean,
                low=times * row.value.low,
                high=times * row.value.high,
                solid=row.complete,
                title=f"{name}, {size.words}: {cells.with_interval(row.value, curve.metric)}",
                place=places.get(id(row)),
            )
            for size, row in zip(curve.sizes, line.rows, strict=True)
            if row is not None and row.value is not None and (labels := size.labels)
        ]
        if points:
            lines.append(_Line(line.backbone, line.method, points))
    if not lines:
        return None
    frame = _Frame(
        name="labels",
        alt=f"{cells.metric_words(curve.metric)} by labels a class, {curve.title}."
        " The table has the numbers.",
        x_title="labels a class",
        y_title=metric_title(curve.metric),
        log=True,
    )
    shown = lines[:LINES]
    hollow = any(not point.solid for line in shown for point in line.points)
    note = "Upright: 95 % intervals." + (" Hollow: draws are missing." if hollow else "")
    return Figure(
        title=curve.title,
        note=few_of(len(shown), len(lines), note),
        plots=(_plot(shown, frame, known),),
        keys=line_keys([(line.backbone, line.method) for line in shown], known),
    )


def by_budget(curves: Sequence[BudgetCurve], known: Looks) -> Figure | None:
    """One problem's best validation scores so far, the best of the last ones first."""
    tried = [curve for curve in curves if _tried(curve)]
    if not any(len(_tried(curve)) > 1 for curve in tried):
        return None
    tried.sort(key=lambda curve: -_tried(curve)[-1][1].mean)
    shown = tried[:LINES]
    metric, title = shown[0].problem.metric, shown[0].problem.title
    plots = []
    for name, words, spent, log in _BUDGETS:
        frame = _Frame(
            name=name,
            alt=f"Best validation {cells.metric_words(metric)} by {words}, {title}."
            " The table has the numbers.",
            x_title=words,
            y_title=f"validation {metric_title(metric)}",
            log=log,
            steps=True,
        )
        lines = [_budget_line(curve, spent, words) for curve in shown]
        if any(line.points for line in lines):
            plots.append(_plot(lines, frame, known))
    return Figure(
        title="Score by budget",
        note=few_of(len(shown), len(tried), "Best validation score so far, mean over draws."),
        plots=tuple(plots),
        keys=line_keys([(curve.backbone, curve.method) for curve in shown], known),
    )


def _trials(step: Step) -> float | None:
    return float(step.trials)


def _seconds(step: Step) -> float | None:
    return step.seconds.mean if step.seconds else None


_BUDGETS: tuple[tuple[str, str, Callable[[Step], float | None], bool], ...] = (
    ("trials", "trials", _trials, False),
    ("seconds", "seconds of tuning", _seconds, True),
)


def _tried(curve: BudgetCurve) -> list[tuple[Step, Mean]]:
    return [(step, step.validation) for step in curve.steps if step.validation is not None]


def _budget_line(curve: BudgetCurve, spent: Callable[[Step], float | None], words: str) -> _Line:
    metric = curve.problem.metric
    points = [
        _Point(
            x=cost,
            y=scale(metric) * found.mean,
            title=f"{entrant(curve.backbone, curve.method)}: {cells.score(found.mean, metric)}"
            f" after {cost:.3g} {words}",
        )
        for step, found in _tried(curve)
        if (cost := spent(step))
    ]
    return _Line(curve.backbone, curve.method, points)


def _plot(lines: Sequence[_Line], frame: _Frame, known: Looks) -> Plot:
    points = [point for line in lines for point in line.points]
    x = horizontal((point.x for point in points), log=frame.log)
    y = vertical(v for p in points for v in (p.y, p.low, p.high) if v is not None)
    marks = [
        Mark(
            x=x.at(point.x),
            y=y.at(point.y),
            low=None if point.low is None else y.at(point.low),
            high=None if point.high is None else y.at(point.high),
            look=known[line.backbone, line.method],
            solid=point.solid,
            title=point.title,
            backbone=line.backbone,
            method=line.method,
            place=point.place,
        )
        for line in lines
        for point in line.points
    ]
    strokes = [
        stroke(
            [(x.at(point.x), y.at(point.y)) for point in line.points],
            known[line.backbone, line.method],
            line.backbone,
            line.method,
            steps=frame.steps,
        )
        for line in lines
        if line.points
    ]
    return Plot(
        name=frame.name,
        alt=frame.alt,
        x_title=frame.x_title,
        y_title=frame.y_title,
        x_ticks=tuple(tick for tick in x.ticks() if frame.log or "." not in tick.text),
        y_ticks=tuple(y.ticks()),
        marks=tuple(marks),
        strokes=tuple(strokes),
    )
