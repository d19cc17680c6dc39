"""How entrants are told apart: a colour and a shape each, never a colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

COLOURS = 8
"""Okabe and Ito's palette (Color Universal Design, 2008), as the style sheet has it."""

SHAPES = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",  # circle
    "M-4 -4H4V4H-4Z",  # square
    "M0 -5.2L5 4H-5Z",  # triangle
    "M0 -5.8L5.2 0L0 5.8L-5.2 0Z",  # diamond
    "M0 5.2L5 -4H-5Z",  # triangle, on its head
    "M-1.8 -5H1.8V-1.8H5V1.8H1.8V5H-1.8V1.8H-5V-1.8H-1.8Z",  # cross
    "M-2.6 -4.8H2.6L5.2 0L2.6 4.8H-2.6L-5.2 0Z",  # hexagon
)
"""Seven, so that with eight colours 56 entrants differ."""

DASHES = ("none", "6 3", "2 3", "8 3 2 3", "12 4")


@dataclass(frozen=True, slots=True)
class Look:
    """A colour's number, an outline around the origin, a dash pattern of lines."""

    colour: int
    shape: str
    dash: str


Looks: TypeAlias = Mapping[tuple[str, str], Look]
"""By backbone and method."""


def looks(entrants: Iterable[tuple[str, str]]) -> Looks:
    """One for each entrant, in the order of their names: the same wherever it is shown."""
    return {
        name: Look(i % COLOURS, SHAPES[i % len(SHAPES)], DASHES[i % len(DASHES)])
        for i, name in enumerate(sorted(set(entrants)))
    }
