"""What a cell sees of the cells that it builds on: stored predictions, or their fit made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.cell import Cell
from bench.core.errors import CellError, NotApplicableError
from bench.core.identity import item_digest
from bench.core.inputs import digests, present, taken
from bench.core.method import Fitted, Size
from bench.core.predictions import ClassPredictions, Predictions
from bench.core.record import Record, Status
from bench.core.task import Input, Split
from bench.runner.parts import seen
from bench.runner.workbench import FeatureSource
from bench.store import Store

Known = dict[bytes, NDArray[np.float32]]
"""Probabilities `(k,)` by the content of their input."""


class MemberError(CellError):
    """A cell that this one builds on has no result."""

    kind = "member-missing"


@dataclass(frozen=True, slots=True)
class View:
    """What a member looks at: a part of an input, what it says where that is missing `(k,)`, and
    the training pool as it sees it."""

    part: str | None
    prior: NDArray[np.float32]
    pool: Split


class StoredMember:
    """See `bench.core.method.Member`.

    Args:
        cell: the member's cell.
        record: what it came to.
        known: what its record has on test inputs, and on inputs held out in tuning.
        refit: makes its fit again, with the settings that its record has.
        refold: makes the predictions of held-out inputs again.
        source: the features of its backbone.
        view: what it looks at.
    """

    def __init__(
        self,
        cell: Cell,
        record: Record,
        known: tuple[Known, Known],
        refit: Callable[[], Fitted],
        refold: Callable[[], Known],
        source: FeatureSource | None,
        view: View,
    ) -> None:
        self.cell, self.record = cell, record
        self._test, self._held = known
        self._refit, self._refold, self._source = refit, refold, source
        self._view = view
        self._fitted: Fitted | None = None
        self._folded = bool(self._held)

    @property
    def label(self) -> str:
        return f"{self.cell.backbone_label} / {self.cell.method_label}"

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        inputs = seen(inputs, self._view.part)
        self._test[item_digest(None)] = self._view.prior
        names = digests(inputs)
        fresh = {d: at for at, d in enumerate(names) if d not in self._test}
        if fresh:
            if self._fitted is None:
                self._fitted = self._refit()
            rows = self._fitted.predict(taken(inputs, np.array([*fresh.values()]))).probabilities
            self._test.update(zip(fresh, rows, strict=True))
        return ClassPredictions(np.stack([self._test[d] for d in names]))

    def size(self) -> Size | None:
        trained, shipped = self.record.trainable_parameters, self.record.bytes_shipped
        return None if trained is None or shipped is None else Size(trained, shipped)

    def held_out(self, inputs: Sequence[Input]) -> tuple[NDArray[np.bool_], Predictions]:
        if not self._folded:
            self._held, self._folded = self._refold(), True
        names = digests(seen(inputs, self._view.part))
        known = np.array([d in self._held for d in names], dtype=np.bool_)
        if not known.any():
            raise NotApplicableError(f"nothing was held out in tuning {self.label}")
        rows = [self._held[d] for d in names if d in self._held]
        return known, ClassPredictions(np.stack(rows))

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        if self._source is None:
            raise NotApplicableError(f"{self.label} has no backbone, and so no features")
        there = self.present(inputs)
        looked = seen(inputs, self._view.part)
        if there.all():
            return self._source(looked)
        first = next(iter(self._view.pool.inputs))
        found = self._source([first, *(item for item in looked if item is not None)])
        rows = np.full((len(inputs), found.shape[1]), np.nan, dtype=np.float32)
        rows[there] = found[1:]
        return rows

    def present(self, inputs: Sequence[Input]) -> NDArray[np.bool_]:
        return present(seen(inputs, self._view.part))

    @property
    def seconds(self) -> float:
        """What it costs whoever builds on it: its record's, and cached features beyond them."""
        return self.record.seconds_charged + (self._source.owed if self._source else 0.0)


def record_of(cell: Cell, store: Store, device: str) -> Record:
    """What a member came to on this kind of device.

    Raises:
        MemberError: if it has no result.
    """
    record = store.find(cell.run_id, device)
    if record is None or record.status is not Status.OK:
        why = "has not run" if record is None else "failed"
        raise MemberError(f"its member {cell.backbone_label} / {cell.method_label} {why}")
    return record


def known_of(record: Record, store: Store, test: Split, pool: Split) -> tuple[Known, Known]:
    """What a record's file of probabilities says of test inputs and of held-out ones."""
    tensors = store.probabilities(record)
    on_test: Known = {}
    if "test" in tensors and len(tensors["test"]) == len(test):
        on_test = _by_content(test.inputs, tensors["test"])
    held: Known = {}
    if "validation" in tensors:
        items = tensors["validation_items"]
        held = _by_content(taken(pool.inputs, items), tensors["validation"])
    return on_test, held


def _by_content(inputs: Sequence[Input], rows: NDArray[np.float32]) -> Known:
    return dict(zip(digests(inputs), rows, strict=True))
