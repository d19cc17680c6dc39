"""The ledger: what an entrant's cells cost, phase by phase, and what one more prediction costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.core.record import PhaseName, Record
from bench.tables.costs import Rates, costs
from bench.tables.curves import Groups
from bench.tables.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Seconds of one cell. Extraction is charged at what it cost when it was computed.

    `fit` and `tune_and_fit` include the extraction of the labelled items and what members and
    teachers cost; `predict` is for one test item, its extraction included.
    """

    fit: float
    tune_and_fit: float
    predict: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entrant on one problem: means over its `cells` that succeeded, in seconds.

    `extract` is charged. `prediction` is of one test item. Peaks and counts are the largest of
    any cell, None where no record tells; so are `members`, what members and teachers cost.
    Energy is what the cells drew in their phases, None unless every one of them tells: cells
    below 5 s do not, and the mean of the longer ones would be no mean of all.
    """

    problem: Problem
    backbone: str
    method: str
    cells: int
    load: float
    extract: float
    tune: float
    fit: float
    predict: float
    prediction: float | None
    bytes_peak: int | None
    bytes_peak_device: int | None
    parameters: int | None
    energy_joules: float | None
    trainable_parameters: int | None
    bytes_shipped: int | None
    members: float | None
    run_ids: tuple[str, ...]


def ledger(by_problem: Groups) -> list[Entry]:
    """An entry for each entrant with a success, in the order of the problems; no controls."""
    return [
        _entry(problem, group.backbone, group.method, group.succeeded)
        for problem, groups in by_problem.items()
        for group in groups
        if group.control is None and group.succeeded
    ]


def _entry(problem: Problem, backbone: str, method: str, records: Sequence[Record]) -> Entry:
    found = costs(records, _NO_RATES)
    one = [each.predict for each in map(spent, records) if each is not None]
    return Entry(
        problem=problem,
        backbone=backbone,
        method=method,
        cells=len(records),
        load=_mean(records, PhaseName.LOAD),
        extract=fmean(record.extract_charged for record in records),
        tune=_mean(records, PhaseName.TUNE),
        fit=_mean(records, PhaseName.FIT),
        predict=_mean(records, PhaseName.PREDICT),
        prediction=fmean(one) if one else None,
        bytes_peak=found.bytes_peak,
        bytes_peak_device=found.bytes_peak_device,
        parameters=found.parameters,
        energy_joules=_energy(records),
        trainable_parameters=_most(records, "trainable_parameters"),
        bytes_shipped=_most(records, "bytes_shipped"),
        members=fmean(map(_members, records)) or None,
        run_ids=tuple(record.run_id for record in records),
    )


_NO_RATES: Rates = {}


def _mean(records: Sequence[Record], phase: PhaseName) -> float:
    return fmean(record.phases.get(phase.value, 0.0) for record in records)


def _most(records: Sequence[Record], name: str) -> int | None:
    """The largest of an optional count, which older records do not have."""
    known: list[int] = [n for record in records if (n := getattr(record, name, None)) is not None]
    return max(known, default=None)


def _energy(records: Sequence[Record]) -> float | None:
    joules = [record.energy_joules for record in records]
    known = [j for j in joules if j is not None]
    return fmean(known) if len(known) == len(joules) else None


def _members(record: Record) -> float:
    seconds: float = getattr(record, "members_seconds", 0.0)
    return seconds


def spent(record: Record) -> Spent | None:
    """What fitting and one prediction took; None where the record does not tell of its data."""
    if record.data is None or PhaseName.PREDICT.value not in record.phases:
        return None
    an_item = 0.0
    if record.extraction is not None and record.extraction.items:
        an_item = record.extraction.seconds_charged / record.extraction.items
    labelled = record.data.labels + record.data.labels_extra
    fit = record.phases.get(PhaseName.FIT.value, 0.0) + labelled * an_item
    fit += _members(record)
    return Spent(
        fit=fit,
        tune_and_fit=fit + record.phases.get(PhaseName.TUNE.value, 0.0),
        predict=record.phases[PhaseName.PREDICT.value] / record.data.test + an_item,
    )
