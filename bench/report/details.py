"""What a row's stored predictions look like: which classes are confused, how far probabilities
can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.record import Record
from bench.stats.calibration import BINS
from bench.store import Items

Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """Counts over all records of a row, so that an item counts once a draw and seed.

    `confusion` has a triple (true class, predicted class, items) for each pair that occurs.
    `bins` are of the predicted class' probability, equally wide, as the calibration error has
    them: in each the items, the sum of that probability, and how many were right. What has
    no such probability (NaN, or not from 0 to 1) is in none of them. `names` are the classes',
    by id, where records know them: those of earlier versions do not.
    """

    classes: int
    records: int
    items: int
    confusion: tuple[tuple[int, int, int], ...]
    bins: tuple[tuple[int, float, int], ...]
    names: tuple[str, ...] = ()


def details(predictions: Iterable[Items], names: tuple[str, ...] = ()) -> Details | None:
    """Sum up the predictions of one row; None where there are none. `names` that are not one a
    class are left out."""
    codes: list[Codes] = []
    bins = np.zeros((3, BINS))
    classes = records = items = 0
    for found in predictions:
        classes, records, items = max(classes, found.classes), records + 1, items + len(found)
        codes.append((found.true << _SHIFT) | found.predicted)
        bins += _bins(found)
    if not records:
        return None
    pairs, counts = np.unique(np.concatenate(codes), return_counts=True)
    return Details(
        classes=classes,
        records=records,
        items=items,
        confusion=tuple(
            (code >> _SHIFT, code & _MASK, count)
            for code, count in zip(pairs.tolist(), counts.tolist(), strict=True)
        ),
        bins=tuple((int(n), float(p), int(right)) for n, p, right in bins.T.tolist()),
        names=names if len(names) == classes else (),
    )


def names_of(records: Iterable[Record]) -> tuple[str, ...]:
    """What the records of one row call its classes; nothing where they contradict each other (a
    suite may name the classes of its own data anew)."""
    found = {record.data.class_names for record in records if record.data is not None} - {()}
    return found.pop() if len(found) == 1 else ()


_SHIFT = 16
"""Class ids are stored in 16 bits at most."""
_MASK = (1 << _SHIFT) - 1


def _bins(found: Items) -> NDArray[np.float64]:
    """Items, sum of probabilities and hits, `(3, BINS)`."""
    known = (found.p_predicted >= 0) & (found.p_predicted <= 1)  # NaN is neither
    p = found.p_predicted[known].astype(np.float64)
    right = (found.true == found.predicted)[known]
    at = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    return np.stack(
        [np.bincount(at, weights=weights, minlength=BINS) for weights in (None, p, right)]
    ).astype(np.float64)
