"""Elo ratings of entrants that all met on every task."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.across import FEWEST, Spread, expanded, resamples, wins
from bench.stats.anova import Values

SCALE = 400.0
"""A difference of 400 is odds of 10 to 1 (Elo, The Rating of Chessplayers, 1978)."""

START = 1000.0
"""The mean of all ratings."""

RIDGE = 0.5 / (1e6 * np.log(10) ** 2)
"""On squared log-strengths, as bencheval 0.1.0 has it (`BT_RIDGE`): 4e-6 Elo in a real field;
where one wins always, what keeps its rating finite."""

_STEP = 2.0
_ROUNDS = 200
_ROOM = 4_000_000
"""Float64 values in memory at a time: resamples go in parts."""


def elo(better: ArrayLike, *, seed: int = 0, count: int = 1_000) -> Spread:
    """Bradley-Terry ratings of `(T, E, E)` comparisons (`across` says of what), mean 1000.

    Maximum likelihood of P(i beats j) = s_i / (s_i + s_j) (Bradley & Terry, Biometrika 39,
    1952), a tie half a win for each. All met equally often, so the wins of each are all
    that counts, and the ratings have the order of the win rates. The interval is that of
    `over_tasks` from `count` resamples of the tasks.

    Raises:
        ValueError: if there are no two entrants and a task, or two are better than each other.
    """
    given = np.asarray(better, dtype=np.bool_)
    if given.ndim != 3 or given.shape[0] < 1 or given.shape[1] < 2:
        raise ValueError(
            "Elo needs (tasks, entrants, entrants), one task and two entrants at least;"
            f" these are {given.shape}"
        )
    tasks, entrants, _ = given.shape
    by_task = wins(given, tasks, entrants).sum(axis=2) - 0.5  # an entrant ties with itself
    value = _ratings(by_task.sum(axis=0)[None], tasks)[0]
    if tasks < FEWEST:
        return Spread(value, None, None)
    totals = resamples(tasks, count, seed) @ by_task
    size = max(1, _ROOM // entrants**2)
    parts = [_ratings(totals[at : at + size], tasks) for at in range(0, count, size)]
    low, high = expanded(np.concatenate(parts), tasks)
    return Spread(value, np.minimum(low, value), np.maximum(high, value))


def rated(better: ArrayLike) -> bool:
    """Whether `(T, E, E)` comparisons have ratings at all: a finite maximum likelihood.

    That takes, however the entrants are divided in two, a win or a tie of each part over
    the other (Ford, American Mathematical Monthly 64, 1957). Where one always wins, the ridge
    alone says by how much, and no table should print it.
    """
    given = np.asarray(better, dtype=np.bool_)
    from scipy.sparse.csgraph import connected_components  # 0.07 s that few tables need

    not_lost = ~given.transpose(0, 2, 1).all(axis=0)  # i beat j, or tied, at least once
    parts, _ = connected_components(not_lost, directed=True, connection="strong")
    return bool(parts == 1)


def _ratings(totals: Values, tasks: int) -> Values:
    """Ratings of wins `(R, E)` in `tasks` rounds of all against all, by Newton's method."""
    strength = np.zeros_like(totals)
    entrants = totals.shape[1]
    diagonal = np.arange(entrants)
    for _ in range(_ROUNDS):
        gap = np.clip(strength[:, :, None] - strength[:, None, :], -500.0, 500.0)
        beats = 1 / (1 + np.exp(-gap))
        slope = totals - tasks * (beats.sum(axis=2) - 0.5) - 2 * RIDGE * strength
        curve = -tasks * beats * (1 - beats)
        curve[:, diagonal, diagonal] = 0.0
        curve[:, diagonal, diagonal] = 2 * RIDGE - curve.sum(axis=2)
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        strength += step * np.minimum(1.0, _STEP / np.maximum(longest, _STEP))
        if longest.max() < 1e-9:
            break
    strength -= strength.mean(axis=1, keepdims=True)
    found: Values = START + SCALE / np.log(10) * strength
    return found
