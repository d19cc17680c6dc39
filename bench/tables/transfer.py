"""Which backbone? What LogME said of the features beforehand, beside what came out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.core.record import Record
from bench.stats import agreement
from bench.tables.entrants import Group
from bench.tables.problem import Problem
from bench.tables.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One backbone on one problem: LogME, mean over draws with the least and the most.

    `best` is the largest main metric of its complete rows, of `method`; None where none is
    complete. `run_ids` are one record of each draw.
    """

    problem: Problem
    backbone: str
    logme: float
    least: float
    most: float
    draws: int
    best: float | None
    method: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The backbones of one problem, highest LogME first.

    `tau` is the weighted Kendall correlation (`bench.stats.agreement`) of LogME with `best` over
    the backbones that have both; `least` and `most` are those of single draws' LogME. None for
    fewer than three backbones.
    """

    problem: Problem
    backbones: tuple[Forecast, ...]
    tau: float | None
    least: float | None
    most: float | None


def transfer(problem: Problem, groups: Iterable[Group], rows: Iterable[Row]) -> Transfer | None:
    """What the records say of one problem; None where fewer than two backbones have a LogME."""
    by_backbone: dict[str, dict[int, Record]] = defaultdict(dict)
    for group in groups:
        for record in group.succeeded:
            if "logme" in record.transferability:
                by_backbone[group.backbone].setdefault(record.draw, record)
    if len(by_backbone) < 2:
        return None
    best: dict[str, Row] = {}
    for row in rows:
        if row.complete and row.value is not None and row.control != "shuffled-labels":
            known = best.get(row.backbone)
            if known is None or known.value is None or row.value.mean > known.value.mean:
                best[row.backbone] = row
    made = [_forecast(problem, b, of, best.get(b)) for b, of in by_backbone.items()]
    made.sort(key=lambda one: (-one.logme, one.backbone))
    taus = _by_draw(made, by_backbone)
    return Transfer(
        problem=problem,
        backbones=tuple(made),
        tau=_agreement([one.logme for one in made], made),
        least=min(taus) if taus else None,
        most=max(taus) if taus else None,
    )


def _forecast(
    problem: Problem, backbone: str, records: Mapping[int, Record], row: Row | None
) -> Forecast:
    values = [record.transferability["logme"] for _, record in sorted(records.items())]
    return Forecast(
        problem=problem,
        backbone=backbone,
        logme=float(np.mean(values)),
        least=min(values),
        most=max(values),
        draws=len(values),
        best=row.value.mean if row is not None and row.value is not None else None,
        method=row.method if row is not None else "",
        run_ids=tuple(record.run_id for _, record in sorted(records.items())),
    )


def _by_draw(made: Sequence[Forecast], records: Mapping[str, Mapping[int, Record]]) -> list[float]:
    """Tau of each draw that every backbone has."""
    shared = set.intersection(*(set(records[one.backbone]) for one in made))
    found = [
        _agreement([records[one.backbone][draw].transferability["logme"] for one in made], made)
        for draw in sorted(shared)
    ]
    return [tau for tau in found if tau is not None]


def _agreement(values: Sequence[float], made: Sequence[Forecast]) -> float | None:
    pairs = [(v, one.best) for v, one in zip(values, made, strict=True) if one.best is not None]
    return agreement([v for v, _ in pairs], [best for _, best in pairs])
