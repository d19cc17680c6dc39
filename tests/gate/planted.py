"""Real stored predictions (results/default), altered at a stated discordance.

`python -m tests.gate.planted` prints the rates of docs/adr/0006-gate.md.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.core.metrics import item_values, score
from bench.core.record import Record
from bench.gate.accuracy import Judged, Scores, judge, paired
from bench.store import Items, Store, to_bytes

PUBLISHED = Path(__file__).parents[2] / "results" / "default"
DISCORDANCE = (0.05, 0.10, 0.20)


@dataclass(frozen=True)
class Stored:
    """One row as published: a record and its predictions for each of three draws."""

    name: str
    records: tuple[Record, ...]
    items: tuple[Items, ...]

    @property
    def right(self) -> np.ndarray:
        return np.stack([items.true == items.predicted for items in self.items])


@lru_cache
def stored() -> tuple[Stored, ...]:
    """Rows without a control: three draws of 1,000 test items each."""
    store, rows = Store(PUBLISHED), defaultdict(list)
    for record in store.final():
        if record.control is None:
            rows[f"{record.task} / {record.backbone} / {record.method}"].append(record)
    found = []
    for name, records in sorted(rows.items()):
        records.sort(key=lambda record: record.draw)
        items = tuple(store.predictions(record) for record in records)
        found.append(Stored(name, tuple(records), items))
    return tuple(found)


def altered(row: Stored, rng, *, fall, rise, shared=0.0) -> tuple[Items, ...]:
    """Turn right predictions wrong with probability `fall` and wrong ones right with `rise`.

    Independent in every draw, as a real change's flips mostly are; `shared` is the share of
    items whose luck is the same in all draws (borderline items that a change always turns).
    `fall` and `rise` may be one number or one a draw.
    """
    draws, n = row.right.shape
    luck = rng.random((draws, n))
    common = rng.random(n) < shared
    luck[:, common] = luck[0, common]
    fall, rise = (np.broadcast_to(np.reshape(x, (-1, 1)), (draws, 1)) for x in (fall, rise))
    flip = luck < np.where(row.right, fall, rise)
    made = []
    for items, turned, right in zip(row.items, flip, row.right, strict=True):
        other = (items.true + rng.integers(1, items.classes, n)) % items.classes
        predicted = np.where(turned, np.where(right, other, items.true), items.predicted)
        made.append(replace(items, predicted=predicted))
    return tuple(made)


def no_change(row: Stored, rng, discordance, shared=0.0):
    """Both sides altered from the same predictions by independent flips: truly no change.

    Each side flips at the rate at which two sides disagree on `discordance` of the items.
    """
    rate = (1 - np.sqrt(1 - 2 * discordance)) / 2
    return tuple(altered(row, rng, fall=rate, rise=rate, shared=shared) for _ in range(2))


def drop(row: Stored, rng, discordance, size, shared=0.0):
    """The stored predictions, and a change that costs `size` in expectation in every draw."""
    right = row.right.mean(axis=1)
    fall, rise = (discordance + size) / 2 / right, (discordance - size) / 2 / (1 - right)
    return row.items, altered(row, rng, fall=fall, rise=rise, shared=shared)


def fits(row: Stored, discordance, size=0.0) -> bool:
    """Whether a row has enough right and wrong predictions for that."""
    right = row.right.mean(axis=1)
    return bool(
        ((discordance + size) / 2 < right).all() and ((discordance - size) / 2 < 1 - right).all()
    )


def paired_of(before, after, metric="accuracy") -> Scores:
    """What the gate makes of two sides of one row."""
    ours, theirs = (
        np.stack([item_values(metric, i.true, i.predicted, i.classes) for i in side])
        for side in (before, after)
    )
    return paired(metric, ours, theirs)


def judged(before, after, margin=0.01) -> tuple[Judged, float]:
    """The gate's verdict on one row alone, and the difference."""
    scores = paired_of(before, after)
    return judge([scores], margin)[0], scores.compared.difference


def write(folder: Path, rows, change=lambda record: record) -> Path:
    """A folder of records: `rows` are pairs of a stored row and the predictions it is to have."""
    store = Store(folder)
    cells = []
    for row, sides in rows:
        for record, items in zip(row.records, sides, strict=True):
            data = to_bytes(items)
            made = change(
                replace(
                    record,
                    predictions=hashlib.sha256(data).hexdigest(),
                    metrics=score(items.true, items.predicted, items.classes),
                )
            )
            if made is not None:
                store.add(made, data if made.predictions else None)
                cells.append(made.run_id)
    store.write_suite({"name": "default", "version": 1, "cells": sorted(set(cells))})
    return folder


def rates(repeats, discordance, size, shared=0.0, margin=0.01, seed=0):
    """Verdicts of so many comparisons over the rows in turn: `(verdict, sees, difference)`."""
    rng = np.random.default_rng([seed, round(1000 * discordance), round(1000 * shared)])
    rows = [row for row in stored() if fits(row, discordance, size)]
    found = []
    for i in range(repeats):
        row = rows[i % len(rows)]
        sides = (
            drop(row, rng, discordance, size, shared)
            if size
            else no_change(row, rng, discordance, shared)
        )
        verdict, difference = judged(*sides, margin=margin)
        found.append((verdict.verdict.value, verdict.sees, difference))
    return found


def family(repeats, rows_differ, discordance=0.10, size=0.03, seed=0):
    """One row drops among others without a change: share caught, and the median of `sees`."""
    rng = np.random.default_rng([seed, rows_differ])
    rows = [row for row in stored() if fits(row, discordance, size)]
    caught, sizes = 0, []
    for i in range(repeats):
        scores = []
        for j in range(rows_differ):
            row = rows[(i + j) % len(rows)]
            planted = drop(row, rng, discordance, size) if j == 0 else None
            scores.append(paired_of(*(planted or no_change(row, rng, discordance))))
        first = judge(scores, 0.01)[0]
        caught += first.verdict == "regression"
        sizes.append(first.sees)
    return caught / repeats, float(np.median(sizes))


def main() -> None:
    for discordance in DISCORDANCE:
        for shared in (0.0, 0.5, 1.0):
            alarms = [
                np.mean([v == "regression" for v, _, _ in rates(2000, discordance, 0, shared, m)])
                for m in (0.0, 0.01)
            ]
            found = rates(2000, discordance, 0.03, shared)
            caught = np.array([v == "regression" for v, _, _ in found])
            sees = np.array([s for _, s, _ in found])
            sys.stdout.write(
                f"{discordance:.0%} discordance, {shared:.0%} of it alike in all draws: A/A alarms"
                f" {alarms[0]:.1%} at margin 0, {alarms[1]:.1%} at 0.01; drop of 3 points caught"
                f" {caught.mean():.1%}, sees {100 * np.median(sees):.1f} points, of the missed"
                f" {(sees[~caught] > 0.03).mean():.0%} say that they would not see 3\n"
            )
    for rows_differ in (1, 2, 4, 8, 16, 33):
        caught, sees = family(300, rows_differ)
        sys.stdout.write(
            f"{rows_differ} rows differ: caught {caught:.1%}, sees {100 * sees:.1f} points\n"
        )


if __name__ == "__main__":
    main()
