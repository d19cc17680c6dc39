"""Clocks, injected so that what measures time is tested without waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Clock(Protocol):
    """Seconds from an arbitrary start, never going back."""

    def __call__(self) -> float: ...


wall: Clock = time.perf_counter


class Phases:
    """Wall seconds by phase; a phase entered twice adds up, a nested one is not counted twice."""

    def __init__(self, clock: Clock = wall) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._inner = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge the time inside to `name`, less what phases nested in it are charged."""
        outer, self._inner = self._inner, 0.0
        start = self._clock()
        try:
            yield
        finally:
            spent = self._clock() - start
            self._seconds[name] = self._seconds.get(name, 0.0) + spent - self._inner
            self._inner = outer + spent

    @property
    def seconds(self) -> dict[str, float]:
        return dict(self._seconds)
