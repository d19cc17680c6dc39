"""Scales of a plot: from values to places in a drawing, with round numbers to mark."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Tick:
    """A marked value and its place."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Values from `low` to `high`, drawn from `start` to `end`; a logarithmic one is above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Its place, to a tenth; what lies outside is at the border."""
        low, high, inner = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, inner = math.log(low), math.log(high), math.log(inner)
        share = (inner - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 6) -> list[Tick]:
        """Round values, `most` at most, and one at least."""
        found = _decades(self.low, self.high) if self.log else []
        if len(found) < 2:
            found = _even(self.low, self.high, most)
        while len(found) > most:
            found = found[::2]
        return [Tick(self.at(value), _text(value)) for value in found]


def linear(values: Iterable[float], start: float, end: float, *, zero: bool = False) -> Axis:
    """An axis that holds all values with a little room, and 0 where asked for."""
    known = [*values, *([0.0] if zero else [])]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    low_room = 0.0 if zero and low == 0 else room
    return Axis(low=low - low_room, high=high + room, start=start, end=end)


def logarithmic(values: Iterable[float], start: float, end: float) -> Axis:
    """The same for values above 0, on a logarithmic scale."""
    known = [value for value in values if value > 0]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    room = max((high / low) ** 0.08, 1.15)
    return Axis(low=low / room, high=high * room, start=start, end=end, log=True)


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 times them where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [f * 10.0**p for p in powers for f in factors if low <= f * 10.0**p <= high]
        if len(found) >= 3:
            return found
    return found


def _even(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _text(value: float) -> str:
    """`0.05`, `20`, `1,000`, `2M`."""
    value = float(f"{value:.6g}") + 0.0
    for size, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
