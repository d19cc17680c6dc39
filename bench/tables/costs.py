"""What a row cost: throughput, seconds, memory, trials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeAlias

from bench.core.record import Record, Status

Rates: TypeAlias = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one row; None where nothing was measured.

    `items_per_second` is the median extraction rate of the row's task, backbone and
    device: extraction is shared, so rows of other methods show the same figure.
    `seconds` is the mean wall time of a cell, cached extraction charged at what it cost.
    `parameters` are those of the backbone.
    """

    items_per_second: float | None
    seconds: float | None
    parameters: int | None
    bytes_peak: int | None
    bytes_peak_device: int | None
    trials: int
    trials_budget: int


def rates(records: Iterable[Record]) -> Rates:
    """Median measured extraction rate by task, backbone and device: a cache hit has none."""
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for record in records:
        if record.extraction is not None and record.extraction.items_per_second is not None:
            found[_place(record)].append(record.extraction.items_per_second)
    return {place: median(values) for place, values in found.items()}


def costs(records: Sequence[Record], known: Rates) -> Costs:
    """Sum up one row's records; seconds are of successes alone, memory of all."""
    done = [record for record in records if record.status is Status.OK]
    places = {_place(record) for record in records}
    return Costs(
        items_per_second=known.get(places.pop()) if len(places) == 1 else None,
        seconds=fmean(record.seconds_charged for record in done) if done else None,
        parameters=max(
            (r.backbone_parameters for r in records if r.backbone_parameters is not None),
            default=None,
        ),
        bytes_peak=max((r.bytes_peak for r in records if r.bytes_peak is not None), default=None),
        bytes_peak_device=max(
            (r.bytes_peak_device for r in records if r.bytes_peak_device is not None), default=None
        ),
        trials=max(len(record.trials) for record in records),
        trials_budget=max(record.trials_budget for record in records),
    )


def _place(record: Record) -> tuple[str, ...]:
    where = record.provenance
    return (record.task, record.backbone, where.device, where.device_name, where.precision)
