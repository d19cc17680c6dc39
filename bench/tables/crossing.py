"""From how many labels on is one better than the other? Pure: numbers in, sentences out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One size: `difference` is the second's score minus the first's, and whether it is shown."""

    labels: float  # a class, on average
    words: str
    difference: float
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where the estimate changes its sign, between the sizes `after` and `before`.

    `rises` is whether the second leads from here on. `shown_below` and `shown_above` are the
    sizes on that side, up to the next crossing, at which the difference is shown.
    """

    labels: float
    after: str
    before: str
    rises: bool
    shown_below: tuple[str, ...]
    shown_above: tuple[str, ...]


def crossings(points: Sequence[Point]) -> list[Crossing]:
    """Every change of sign along `points`, fewest labels first, interpolated on log labels.

    A difference of exactly 0 belongs to neither; the crossing is there.
    """
    runs = _runs(points)
    return [
        Crossing(
            labels=_between(points, one[-1], other[0]),
            after=points[one[-1]].words,
            before=points[other[0]].words,
            rises=points[other[0]].difference > 0,
            shown_below=tuple(points[i].words for i in one if points[i].shown),
            shown_above=tuple(points[i].words for i in other if points[i].shown),
        )
        for one, other in pairwise(runs)
    ]


def _runs(points: Sequence[Point]) -> list[list[int]]:
    """Places of neighbours whose differences have one sign, zeros left out."""
    runs: list[list[int]] = []
    for i, point in enumerate(points):
        if point.difference == 0:
            continue
        if runs and (points[runs[-1][0]].difference > 0) == (point.difference > 0):
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _between(points: Sequence[Point], one: int, other: int) -> float:
    """Labels at which a line over log labels is 0; the middle where differences are 0."""
    if other > one + 1:
        level = [math.log(point.labels) for point in points[one + 1 : other]]
        return math.exp(sum(level) / len(level))
    low, high = points[one], points[other]
    share = low.difference / (low.difference - high.difference)
    return math.exp(math.log(low.labels) * (1 - share) + math.log(high.labels) * share)


def verdict(first: str, second: str, points: Sequence[Point]) -> str:
    """One sentence, without its full stop: which is better, and from how many labels on."""
    if not points:
        return f"no size has results of both {first} and {second}"
    found = crossings(points)
    if not any(point.shown for point in points):
        said = f"no difference between {first} and {second} is shown at any size"
        return f"{said}{_changes(found)}"
    if not found:
        return _one_sided(first, second, points)
    if len(found) > 1:
        return _several(first, second, points, found)
    return _single(first, second, found[0])


def _one_sided(first: str, second: str, points: Sequence[Point]) -> str:
    better = second if any(point.difference > 0 for point in points) else first
    shown = [point.words for point in points if point.shown]
    rest = [point.words for point in points if not point.shown]
    if rest:
        return f"{better} is better at {_list(shown)}; no difference is shown at {_list(rest)}"
    if len(shown) == 1:
        return f"{better} is better at {shown[0]}"
    return f"{better} is better at every size from {shown[0]} to {shown[-1]}"


def _single(first: str, second: str, at: Crossing) -> str:
    above, below = (second, first) if at.rises else (first, second)
    place = f"about {about(at.labels)} labels a class"
    sizes = f"between {at.after} and {at.before}"
    if not at.shown_above:
        shown = f"({sizes}; shown at {_list(at.shown_below)})"
        return f"{below} is better below {place} {shown}; above, no difference is shown"
    if not at.shown_below:
        shown = f"({sizes}; shown at {_list(at.shown_above)})"
        return f"{above} is better from {place} on {shown}; below, no difference is shown"
    return (
        f"{above} is better from {place} on ({sizes}), and {below} below; shown on both sides:"
        f" at {_list(at.shown_below)}, and at {_list(at.shown_above)}"
    )


def _several(first: str, second: str, points: Sequence[Point], found: Sequence[Crossing]) -> str:
    said = [
        f"{name} is shown to be better at {_list(sizes)}"
        for name, sizes in (
            (first, [p.words for p in points if p.shown and p.difference < 0]),
            (second, [p.words for p in points if p.shown and p.difference > 0]),
        )
        if sizes
    ]
    return "; ".join([*said, f"the order changes {len(found)} times{_at(found)}"])


def _changes(found: Sequence[Crossing]) -> str:
    if not found:
        return ""
    return f" (the estimate changes its sign{_at(found)})"


def _at(found: Sequence[Crossing]) -> str:
    return f" at about {_list([about(one.labels) for one in found])} labels a class"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def about(labels: float) -> str:
    """`24`, and `5.7` where a whole number would be coarse."""
    return f"{labels:,.0f}" if labels >= 10 else f"{labels:.1f}".removesuffix(".0")
