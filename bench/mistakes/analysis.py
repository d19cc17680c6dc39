"""What a record's per-item predictions say of its mistakes, alone and beside another record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import StoreError, UserError
from bench.core.metrics import TRANSCRIPTION
from bench.core.record import Record
from bench.stats import Comparison, compare
from bench.stats.mistakes import Confusion, Overlap, Trust, confusions, overlap, trust_by, worst
from bench.store import Items, Store
from bench.store.lookup import find_attempts


@dataclass(frozen=True, slots=True)
class Run:
    """A successful record with what it predicted."""

    record: Record
    items: Items

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which items are right, `(n,)`."""
        return np.asarray(self.items.true == self.items.predicted, dtype=np.bool_)

    @property
    def label(self) -> str:
        """Backbone, method and repeat, as tables name them."""
        of = self.record
        control = f" [{of.control}]" if of.control else ""
        return f"{of.backbone} / {of.method}, draw {of.draw} seed {of.seed}{control}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Another run on the same test items.

    `accuracy` is the first run's minus the other's, paired by item (`bench.stats.compare`).
    """

    run: Run
    overlap: Overlap
    accuracy: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """`worst` `(m,)` are numbers of the mistaken items, most confident first."""

    run: Run
    worst: NDArray[np.int64]
    confusions: tuple[Confusion, ...]
    trust: tuple[Trust, ...]  # by true class
    against: Against | None


def find(prefix: str, folder: Path | None) -> Run:
    """The run whose id begins with `prefix`: its first attempt that has predictions.

    Raises:
        StoreError: if there is no such record, or several, or it has no predictions.
    """
    attempts = find_attempts(prefix, folder)
    for path, record in attempts:
        if record.predictions is not None:
            if record.main_metric in TRANSCRIPTION:
                raise StoreError(f"{record.run_id[:12]} wrote transcripts: errors are of classes")
            return Run(record, Store(path.parents[1]).predictions(record))
    raise StoreError(f"{attempts[0][1].run_id[:12]} has no predictions: none of its attempts is ok")


def analyse(run: Run, other: Run | None = None) -> Analysis:
    """Look at one run, and at another beside it.

    Raises:
        UserError: if the two were tested on different items.
    """
    items = run.items
    return Analysis(
        run=run,
        worst=worst(items.true, items.predicted, items.p_predicted),
        confusions=tuple(confusions(items.true, items.predicted)),
        trust=tuple(trust_by(items.true, items.p_predicted, run.right)),
        against=None if other is None else _against(run, other),
    )


def _against(run: Run, other: Run) -> Against:
    one, two = (
        (r.record.identity.get("data"), r.record.identity.get("test_size")) for r in (run, other)
    )
    if one != two or not np.array_equal(run.items.true, other.items.true):
        raise UserError(
            f"{run.record.run_id[:12]} ({run.record.task}) and {other.record.run_id[:12]}"
            f" ({other.record.task}) have different test items: compare runs of one task"
        )
    return Against(
        run=other,
        overlap=overlap(run.right, other.right),
        accuracy=compare(run.right[None].astype(float), other.right[None].astype(float)),
    )
