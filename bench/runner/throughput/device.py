"""Prepared inputs that lie on the device: the second number, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Backbone
from bench.extract import plan_batches
from bench.extract.feed import over_tensors
from bench.runner.throughput.result import Drift
from bench.runner.throughput.setup import Part

MOST_BYTES = 2**31
"""Of inputs on the device; with more, fewer parts are gone through (at least one)."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDevice:
    """Batches of each part on the device, with the places of their items in the part.

    `units` are real ones of a part, on average.
    """

    backbone: Backbone
    batches: Sequence[Sequence[tuple[Indices, Any]]]
    units: float

    def work(self, number: int) -> object:
        """Pooled features of one part, left on the device."""
        return [self.backbone.forward(b) for _, b in self.batches[number % len(self.batches)]]

    def features(self, width: int) -> NDArray[np.float32]:
        """Of the first part, on the host, in its order."""
        rows = sum(len(places) for places, _ in self.batches[0])
        out = np.empty((rows, width), dtype=np.float32)
        for places, batch in self.batches[0]:
            out[places] = self.backbone.forward(batch).float().cpu().numpy()
        return out

    @property
    def a_batch(self) -> Any:
        """The first batch."""
        return self.batches[0][0][1]


def on_device(
    backbone: Backbone, prepared: Any, parts: Sequence[Part], budget: int, device: str
) -> OnDevice:
    """Plan, collate and move `parts` of `prepared`, as extraction does at this budget."""
    found: list[list[tuple[Indices, Any]]] = []
    taken, units = 0, 0
    for part in parts:
        lengths = prepared.lengths[part]
        plan = plan_batches(lengths, budget, packed=backbone.packs)
        batches = []
        for places in plan.batches:
            batch = backbone.collate(prepared, part[places])
            moved = over_tensors(batch, lambda tensor: tensor.to(device))
            batches.append((places, moved))
            taken += _bytes(moved)
        if found and taken > MOST_BYTES:
            break
        found.append(batches)
        units += plan.units
    return OnDevice(backbone=backbone, batches=found, units=units / len(found))


def difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The largest difference over the largest value; infinite where `found` is not finite."""
    if not np.isfinite(found).all():
        return float("inf")
    largest = float(np.abs(wanted).max(initial=0.0))
    gap = float(np.abs(found - wanted).max(initial=0.0))
    return gap / largest if largest else gap


def drift(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> Drift:
    """Cosine of each row with the wanted one, in float64; 0 where one of them is zero."""
    one, other = (np.asarray(x, dtype=np.float64) for x in (found, wanted))
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = np.divide((one * other).sum(axis=1), size, out=np.zeros_like(size), where=size > 0)
    return Drift(items=len(one), least=float(cosine.min()), mean=float(cosine.mean()))


def _bytes(batch: Any) -> int:
    if isinstance(batch, dict):
        return sum(_bytes(value) for value in batch.values())
    return int(getattr(batch, "nbytes", 0))
