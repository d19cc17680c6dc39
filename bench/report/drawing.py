"""What a drawing is made of: places in a frame, ready for the template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import hypot

from bench.report.axes import Axis, Tick, linear, logarithmic
from bench.report.looks import Look

WIDTH, HEIGHT = 360, 250
"""As wide as a phone: its letters are then as large there as elsewhere."""
LEFT, RIGHT, TOP, BOTTOM = 42, 348, 10, 208
NUMBERED = 24
"""Marks up to which each has its number beside it; with more they would hide each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point with its interval; `place` is its row's on the board, `solid` sets it off."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    look: Look
    solid: bool = True
    number: int = 0
    title: str
    backbone: str
    method: str
    place: int | None = None
    label_x: float = 0.0
    label_y: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line through points of one entrant, `path` as SVG has it."""

    path: str
    look: Look
    title: str
    backbone: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One drawing; `name` tells it apart from the figure's others."""

    name: str
    alt: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    strokes: tuple[Stroke, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A line of the legend."""

    look: Look
    text: str
    number: int = 0
    solid: bool = True
    line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Drawings of the same entrants, one of them shown at a time."""

    title: str
    note: str
    plots: tuple[Plot, ...]
    keys: tuple[Key, ...]


def horizontal(values: Iterable[float], *, log: bool) -> Axis:
    """The axis along the bottom."""
    return (logarithmic if log else linear)(values, LEFT + 8, RIGHT - 8)


def vertical(values: Iterable[float]) -> Axis:
    """The axis at the left."""
    return linear(values, BOTTOM, TOP)


def numbered(marks: Sequence[Mark]) -> list[Mark]:
    """Each number where there is room for it: beside its mark, and not on another."""
    taken = [(mark.x, mark.y) for mark in marks]
    found = []
    for mark in marks:
        spots = [(mark.x + dx, mark.y + dy) for dx, dy in _AROUND]
        x, y = max(spots, key=lambda spot: min(_apart(spot, other) for other in taken))
        taken.append((x, y))
        found.append(replace(mark, label_x=round(x, 1), label_y=round(y, 1)))
    return found


_AROUND = (
    (10, -6), (10, 8), (-10, -6), (-10, 8), (13, 1), (-13, 1),
    (17, -9), (17, 10), (-17, -9), (-17, 10), (5, -12), (-5, 14),
)  # fmt: skip


def _apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    """How far two labels are apart, 10 being enough; beyond the frame there is no room."""
    x, y = one
    if not (LEFT + 4 < x < RIGHT - 4 and TOP + 4 < y < BOTTOM - 4):
        return -1.0
    return min(10.0, hypot(x - other[0], y - other[1]))
