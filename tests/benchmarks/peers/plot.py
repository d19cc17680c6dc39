"""A plot of ratios with their intervals as plain SVG text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.stats.ratios import Ratio

COLOURS = {"text": "#1f6feb", "mteb": "#b35900", "heads": "#1a7f37", "training": "#8250df"}
LABELS, SCALE, MARGIN, ROW, TOP = 520, 420, 70, 22, 46
"""Pixels: the labels' and the scale's width, the right margin, a row's height, the first row."""
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: what it is, the ratio, and the part it belongs to."""

    label: str
    ratio: Ratio
    part: str


def svg(bars: Sequence[Bar]) -> str:
    """Rows of dots with intervals on a logarithmic scale; the line at 1 is no difference."""
    least = min([0.8, *(bar.ratio.low for bar in bars)])
    most = max([2.0, *(bar.ratio.high for bar in bars)]) * 1.05
    height = TOP + ROW * len(bars) + 16

    def place(value: float) -> float:
        part = math.log(value / least) / math.log(most / least)
        return round(LABELS + SCALE * part, 1)

    width = LABELS + SCALE + MARGIN
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        (
            f'<text x="{LABELS}" y="16" fill="#24292f">times as fast as the other'
            " (bench is faster right of 1); median, 95 % interval</text>"
        ),
    ]
    for tick in TICKS:
        if not least <= tick <= most:
            continue
        x, stroke = place(tick), "#24292f" if tick == 1 else "#d0d7de"
        lines += [
            f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 12}" stroke="{stroke}"/>',
            f'<text x="{x}" y="{TOP - 13}" text-anchor="middle" fill="#57606a">{tick:g}</text>',
        ]
    for number, bar in enumerate(bars):
        y, colour = TOP + ROW * number + 8, COLOURS[bar.part]
        low, middle, high = (place(v) for v in (bar.ratio.low, bar.ratio.ratio, bar.ratio.high))
        lines += [
            (
                f'<text x="{LABELS - 12}" y="{y + 4}" text-anchor="end" fill="#24292f">'
                f"{escape(bar.label)}</text>"
            ),
            f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
            f'<circle cx="{middle}" cy="{y}" r="4.5" fill="{colour}"/>',
            f'<text x="{high + 8}" y="{y + 4}" fill="#24292f">{bar.ratio.ratio:.2f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
