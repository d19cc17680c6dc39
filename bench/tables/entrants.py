"""Records of one row, with their per-item values `(draws, items)`."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import StoreError
from bench.core.grouping import configuration_of, in_order, labels_of, mark, over_seeds
from bench.core.metrics import TRANSCRIPTION
from bench.core.record import Record, Status
from bench.stats import Bounds, Comparison, Estimate, Shares, compare, shares, two_way
from bench.store import Items, Store
from bench.store.predictions import values_of
from bench.tables.problem import APART, Problem, problem_of, told_apart

BOUNDS: dict[str, Bounds] = {
    "accuracy": (0.0, 1.0),
    "macro_f1": (0.0, 1.0),
    "balanced_accuracy": (0.0, 1.0),
    "kappa": (-1.0, 1.0),
    "word_accuracy": (-math.inf, 1.0),  # where more is said than there was
    "char_accuracy": (-math.inf, 1.0),
}
"""Smallest and largest value of each metric."""

SIDE_METRICS = ("macro_f1", "kappa")
"""Shown beside the main metric."""


def side_metrics(metric: str) -> tuple[str, ...]:
    """What is shown beside a main metric, by its kind of task."""
    return TRANSCRIPTION if metric in TRANSCRIPTION else SIDE_METRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All records of one row: everything of their configuration is equal but draw and seed."""

    problem: Problem
    backbone: str
    method: str
    control: str | None
    configuration: str
    records: tuple[Record, ...]

    @property
    def succeeded(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status is Status.OK)

    @property
    def failed(self) -> tuple[Record, ...]:
        return tuple(record for record in self.records if record.status is not Status.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A group with what its successful records predicted.

    `values[metric]` is `(draws, items)` float64, a draw's seeds averaged: repeats are
    no replicates. `true` `(items,)` is empty where nothing succeeded. `shares` is where the
    main metric's variance comes from, where every draw has several seeds, as many as the others.
    """

    group: Group
    draws: tuple[int, ...]
    true: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    shares: Shares | None = None

    def estimate(self, metric: str) -> Estimate | None:
        """Mean and interval of a metric; None where nothing succeeded, or of another kind."""
        if not self.draws or metric not in self.values:
            return None
        return two_way(self.values[metric], BOUNDS.get(metric))

    @property
    def main(self) -> NDArray[np.float64]:
        """The main metric's values."""
        return self.values[self.group.problem.metric]


def groups(records: Iterable[Record]) -> dict[Problem, list[Group]]:
    """Records by problem and row; rows that share every label say how they differ."""
    found: dict[Problem, dict[tuple[str, str, str, str], list[Record]]] = defaultdict(dict)
    for record in in_order(records):
        key = (*labels_of(record), configuration_of(record, APART))
        found[problem_of(record)].setdefault(key, []).append(record)
    apart = told_apart(found)
    return {apart[p]: _groups(apart[p], rows) for p, rows in found.items()}


def _groups(problem: Problem, rows: dict[tuple[str, str, str, str], list[Record]]) -> list[Group]:
    several = Counter(key[:3] for key in rows)
    made = []
    for key, records in sorted(rows.items()):
        backbone, method, control, configuration = key
        if several[key[:3]] > 1:
            method = f"{method} {mark(configuration)}"
        made.append(
            Group(
                problem=problem,
                backbone=backbone,
                method=method,
                control=control or None,
                configuration=configuration,
                records=tuple(records),
            )
        )
    return made


def load(store: Store, group: Group) -> Entrant:
    """Read a group's predictions.

    Raises:
        StoreError: if predictions are missing or damaged, or records of one row were
            tested on different items.
    """
    metrics = tuple(dict.fromkeys((group.problem.metric, *side_metrics(group.problem.metric))))
    per_draw: dict[int, list[NDArray[np.float64]]] = defaultdict(list)  # (metrics, N) a seed
    first: Items | None = None
    for record in group.succeeded:
        items = store.predictions(record)
        first = items if first is None else first
        if not np.array_equal(items.true, first.true):
            raise StoreError(
                f"records {group.succeeded[0].run_id[:12]} and {record.run_id[:12]} of"
                f" {group.problem.task} / {group.method} have different test items,"
                " under one data fingerprint: one of them is not of this data"
            )
        values = values_of(metrics, items)
        per_draw[record.draw].append(np.array(values))
    by_draw = np.array(over_seeds(per_draw).swapaxes(0, 1)) if per_draw else ()
    return Entrant(
        group=group,
        draws=tuple(sorted(per_draw)),
        true=np.zeros(0, dtype=np.int64) if first is None else first.true,
        values=dict(zip(metrics, by_draw, strict=True)) if per_draw else {},
        shares=_shares([[seed[0] for seed in per_draw[draw]] for draw in sorted(per_draw)]),
    )


def _shares(main: Sequence[Sequence[NDArray[np.float64]]]) -> Shares | None:
    """From values `(N,)` of each seed of each draw."""
    seeds = {len(of_draw) for of_draw in main}
    if len(seeds) != 1 or seeds == {1}:
        return None
    return shares(np.array(main))


def check_same_items(entrants: Sequence[Entrant]) -> None:
    """Refuse to compare entrants of one problem that were tested on different items.

    Raises:
        StoreError: naming one record of each.
    """
    there = [entrant for entrant in entrants if entrant.draws]
    for entrant in there:
        if not np.array_equal(entrant.true, there[0].true):
            one, other = (e.group.succeeded[0].run_id[:12] for e in (there[0], entrant))
            raise StoreError(
                f"records {one} and {other} of {entrant.group.problem.task} have different test"
                " items, under one data fingerprint: one of them is not of this data"
            )


def paired(one: Entrant, other: Entrant) -> Comparison | None:
    """`one - other` in the main metric, on the draws that both have; None if there is none."""
    shared = [draw for draw in one.draws if draw in other.draws]
    if not shared:
        return None
    own = one.main[[one.draws.index(draw) for draw in shared]]
    return compare(own, other.main[[other.draws.index(draw) for draw in shared]])
