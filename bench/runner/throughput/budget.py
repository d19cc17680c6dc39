"""Which batch budget is timed: swept now, found before, or the default; and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.extract import Budgets, Sweep, sweep
from bench.extract.budget import ROUNDS, STEPS

Seconds = Callable[[NDArray[np.int64], int], float]
"""What extraction of these items takes at this budget."""


def find_budget(
    wanted: bool | None,
    budgets: Budgets,
    name: str,
    default: int,
    lengths: NDArray[np.int64],
    rate: float,
    most_seconds: float,
    seconds: Seconds,
    say: Callable[[str], None],
) -> tuple[int, str, Sweep | None, str | None]:
    """The budget, where it is from, its sweep, and why nothing was swept.

    Args:
        wanted: sweep or not; None sweeps where it takes `most_seconds` or less.
        budgets: where sweeps are kept.
        name: under which this one is.
        default: around which is tried.
        lengths: of the inputs `(n,)`, in random order.
        rate: items a second, roughly.
        most_seconds: that a sweep may take unasked.
        seconds: extracts.
        say: gets a line.
    """
    largest = round(max(STEPS) * default)
    enough = int(np.searchsorted(np.cumsum(lengths), largest)) + 1
    expected = (ROUNDS + 1) * len(STEPS) * enough / rate
    reason = None
    if wanted is False:
        reason = "--no-sweep"
    elif enough > len(lengths):
        reason = f"the inputs do not fill the largest budget, {largest:,}: give more --items"
    elif wanted is None and expected > most_seconds:
        reason = f"it would take about {expected:.0f} s: --sweep does it"
    if reason is None:
        say(f"sweeping batch budgets, about {expected:.0f} s")
        some = np.arange(enough)
        found = sweep(lambda budget: seconds(some, budget), default)
        budgets.keep(name, found)
        return found.budget, "swept now", found, None
    known = budgets.all().get(name)
    if known is not None:
        return known.budget, "found before", known, reason
    return default, "default", None, reason
