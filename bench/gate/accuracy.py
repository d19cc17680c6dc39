"""Scores of one row, paired per draw and test item, and Holm over the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.grouping import over_seeds
from bench.core.record import Record
from bench.gate.rows import Couple
from bench.gate.verdict import Verdict
from bench.stats import LEVEL, Comparison, Components, compare, holm
from bench.store import Items, Store
from bench.store.predictions import TRANSCRIPTS, values_of

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A row's mean on both sides; `compared` is None where every prediction agrees."""

    metric: str
    before: float
    after: float
    draws: int
    items: int
    compared: Comparison | None  # candidate minus baseline
    parts: Components | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What Holm over the family says of one row.

    `p_holm` is two-sided and adjusted in the direction of the difference; `sees` and
    `sees_alone` are differences shown with 80 %, in the family and as one comparison.
    """

    verdict: Verdict
    p_holm: float
    sees: float | None
    sees_alone: float | None


class DifferentItemsError(Exception):
    """Two records of one row were tested on different items: nothing can be paired."""


def read(couple: Couple, baseline: Store, candidate: Store) -> Scores:
    """Read a row's predictions and compare them.

    Raises:
        DifferentItemsError: if the true classes differ under one data fingerprint.
        StoreError: if predictions are missing or damaged.
    """
    first = couple.cells[0][0]
    metric = first.main_metric
    if all(before.predictions == after.predictions for before, after in couple.cells):
        return _same(metric, couple.cells)
    truth: NDArray[np.int64] | None = None
    agree = True
    values: dict[int, list[NDArray[np.float64]]] = defaultdict(list)  # (2, N) a seed
    for before, after in couple.cells:
        ours, theirs = baseline.predictions(before), candidate.predictions(after)
        truth = ours.true if truth is None else truth
        for items in (ours, theirs):
            if not np.array_equal(items.true, truth):
                raise DifferentItemsError
        agree = agree and alike(ours, theirs)
        values[before.draw].append(np.array([_values(metric, ours), _values(metric, theirs)]))
    if agree:
        return _same(metric, couple.cells)
    by_draw = over_seeds(values)
    return paired(metric, by_draw[:, 0], by_draw[:, 1])


def alike(one: Items, other: Items) -> bool:
    """Whether every prediction is the same: its class, or of a transcript what is wrong in words
    and in characters; probabilities may differ."""
    same = np.array_equal(one.predicted, other.predicted)
    if one.classes == TRANSCRIPTS:
        same = same and np.array_equal(one.p_predicted, other.p_predicted)
    return same


def paired(metric: str, before: NDArray[np.float64], after: NDArray[np.float64]) -> Scores:
    """Scores of `(D, N)` values on both sides, paired by draw and item; they are not all equal."""
    found = compare(after, before)
    return Scores(
        metric=metric,
        before=float(before.mean()),
        after=float(after.mean()),
        draws=before.shape[0],
        items=before.shape[1],
        compared=found,
        parts=found.parts,
    )


def judge(scores: Sequence[Scores], margin: float) -> list[Judged]:
    """Verdicts of the rows that differ from the baseline: Holm over them, each side at 2.5 %.

    A regression is shown (one-sided p below 0.025 after Holm, which alone is a two-sided p
    below 0.05) and its estimate is beyond the margin; an improvement is the mirror image.
    Rows without any difference are no comparisons: they cannot give a false alarm.
    """
    pairs = [(s.compared, s.parts) for s in scores if s.compared and s.parts]
    if len(pairs) != len(scores):
        raise ValueError("a row without differences is not judged")
    difference = np.array([c.difference for c, _ in pairs])
    p = np.array([c.p for c, _ in pairs])
    worse, better = (
        np.minimum(2 * holm(np.where(sign * difference > 0, p / 2, 1 - p / 2)), 1.0)
        for sign in (-1, 1)
    )
    found = []
    for i, (compared, parts) in enumerate(pairs):
        adjusted = float(worse[i] if compared.difference < 0 else better[i])
        verdict = Verdict.PASS
        if adjusted < 1 - LEVEL and abs(compared.difference) > margin + _ROUNDING:
            verdict = Verdict.REGRESSION if compared.difference < 0 else Verdict.BETTER
        found.append(
            Judged(
                verdict=verdict,
                p_holm=adjusted,
                sees=_sees(parts, len(pairs)),
                sees_alone=_sees(parts, 1),
            )
        )
    return found


def _sees(parts: Components, family: int) -> float | None:
    """The smallest difference that `family` rows at once, by Holm, show with 80 %; None if none.

    The first of m rows to be shown must pass at alpha / m, and with few draws Student's t there
    is far out: 4.3 alone and 25.7 among 33 with three draws.
    """
    found = float(parts.sees((1 - LEVEL) / max(family, 1)))
    return found if np.isfinite(found) else None


def _values(metric: str, items: Items) -> NDArray[np.float64]:
    return values_of((metric,), items)[0]


def _same(metric: str, cells: Sequence[tuple[Record, Record]]) -> Scores:
    """Of a row whose predictions agree: what its records say, a draw's seeds averaged."""
    by_draw = defaultdict(list)
    for record, _ in cells:
        by_draw[record.draw].append(record.metrics.get(metric, 0.0))
    mean = float(np.mean([np.mean(seeds) for seeds in by_draw.values()]))
    data = cells[0][0].data
    return Scores(
        metric=metric,
        before=mean,
        after=mean,
        draws=len(by_draw),
        items=data.test if data else 0,
        compared=None,
        parts=None,
    )
