"""Words and scales that figures share."""

from __future__ import annotations

from bench.report.drawing import Key, Stroke
from bench.report.looks import Look, Looks
from bench.tables import cells

LINES = 12
"""Lines of a figure at most; the table beside it has all of them."""


def entrant(backbone: str, method: str) -> str:
    """What a reader knows an entrant by."""
    return f"{backbone} / {method}"


def scale(metric: str) -> float:
    """100 for a metric that tables give in percent."""
    return 100.0 if cells.is_share(metric) else 1.0


def metric_title(metric: str) -> str:
    """A metric with its unit."""
    return f"{cells.metric_words(metric)}, %" if cells.is_share(metric) else metric


def few_of(shown: int, there: int, more: str) -> str:
    """What a note says of lines that are left out."""
    return more if shown == there else f"{more} The first {shown} of {there}; the table has all."


def stroke(
    at: list[tuple[float, float]], found: Look, backbone: str, method: str, *, steps: bool = False
) -> Stroke:
    """A line through places; in steps where a value holds until the next one."""
    parts = [f"M{at[0][0]:g} {at[0][1]:g}"] if at else []
    parts += [f"H{x:g}V{y:g}" if steps else f"L{x:g} {y:g}" for x, y in at[1:]]
    return Stroke(
        path="".join(parts),
        look=found,
        title=entrant(backbone, method),
        backbone=backbone,
        method=method,
    )


def line_keys(names: list[tuple[str, str]], known: Looks) -> tuple[Key, ...]:
    """The legend of lines."""
    return tuple(Key(look=known[name], text=entrant(*name), line=True) for name in names)
