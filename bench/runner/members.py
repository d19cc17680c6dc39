"""What a cell sees of the cells that it builds on: stored predictions, or their fit made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.core.cell import Cell
from bench.core.errors import CellError, NotApplicableError
from bench.core.identity import item_digest
from bench.core.inputs import digests, present, taken
from bench.core.method import Fitted, HeldOut, Size
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


@dataclass(frozen=True, slots=True)
class Making:
    """How what is not stored is made: the cell's fit with the settings that its record has, the
    predictions of held-out items, and a fit on some of the labelled items (by their places)."""

    fit: Callable[[], Fitted]
    fold: Callable[[], HeldOut]
    fit_on: Callable[[NDArray[np.int64]], tuple[Fitted, NDArray[np.float32]]]


class StoredMember:
    """See `bench.core.method.Member`.

    Args:
        cell: the member's cell.
        record: what it came to.
        known: what its record has on test inputs, and of items held out in tuning.
        making: how the rest is made.
        source: the features of its backbone.
        view: what it looks at.
    """

    def __init__(
        self,
        cell: Cell,
        record: Record,
        known: tuple[Known, HeldOut | None],
        making: Making,
        source: FeatureSource | None,
        view: View,
    ) -> None:
        self.cell, self.record = cell, record
        self._test, self._held = known
        self._making, self._source = making, source
        self._view = view
        self._fitted: Fitted | None = None
        self._apart: dict[bytes, StoredMember] = {}

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
                self._fitted = self._making.fit()
            rows = self._fitted.predict(taken(inputs, np.array([*fresh.values()]))).probabilities
            self._test.update(zip(fresh, rows, strict=True))
        return ClassPredictions(np.stack([self._test[d] for d in names]))

    def size(self) -> Size | None:
        trained, shipped = self.record.trainable_parameters, self.record.bytes_shipped
        return None if trained is None or shipped is None else Size(trained, shipped)

    def held_out(self) -> HeldOut:
        if self._held is None:
            self._held = self._making.fold()
        if not len(self._held.places):
            raise NotApplicableError(f"nothing was held out in tuning {self.label}")
        return self._held

    def apart(self, train: Split) -> StoredMember:
        if train.places is None:
            raise ValueError("only labelled items have places")
        key = train.places.tobytes()
        if key not in self._apart:
            fitted, prior = self._making.fit_on(train.places)
            making = replace(self._making, fit=lambda: fitted, fold=self._nothing_held)
            view = replace(self._view, prior=prior)
            self._apart[key] = StoredMember(
                self.cell, self.record, ({}, None), making, self._source, view
            )
        return self._apart[key]

    def _nothing_held(self) -> HeldOut:
        raise NotApplicableError(f"of a part of its items nothing was held out of {self.label}")

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


def known_of(
    record: Record, store: Store, test: Split, labelled: Split, positions: NDArray[np.int64]
) -> tuple[Known, HeldOut | None]:
    """What a record's file of probabilities says of test inputs and of held-out items; `labelled`
    ones stand at `positions` of the training pool."""
    tensors = store.probabilities(record)
    on_test: Known = {}
    if "test" in tensors and len(tensors["test"]) == len(test):
        on_test = dict(zip(digests(test.inputs), tensors["test"], strict=True))
    if "validation" not in tensors:
        return on_test, None
    place_of = {int(position): place for place, position in enumerate(positions)}
    found = [place_of.get(int(item), -1) for item in tensors["validation_items"]]
    if -1 in found:  # of another draw
        return on_test, None
    places = np.array(found, dtype=np.int64)
    rows = ClassPredictions(tensors["validation"])
    return on_test, HeldOut(places, labelled.targets[places], rows)
