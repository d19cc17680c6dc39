"""Rows of one problem: values with their intervals, ranks, costs, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.core.record import Record
from bench.stats import Estimate, Pairwise, Shares, pairwise, ranks
from bench.tables.costs import Costs, Rates, costs
from bench.tables.entrants import Entrant
from bench.tables.front import MARGIN, Better, worth_a_look
from bench.tables.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A paired difference with its 95 % interval, not adjusted for how many are looked at."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One (task, backbone, method, control) over its draws and seeds.

    `shares` is where the variance of `value` comes from, where draws have several seeds.
    `value` (the main metric), `macro_f1` and `kappa` are None where nothing succeeded;
    a row is `complete` when every draw of its peers is there and nothing failed, and
    only complete rows without a control have a rank. `behind` is a ranked row's main
    metric minus that of the first row of its problem, None for that one itself. `front` is
    whether a ranked row is worth a look (`worth_a_look`); one without a rank never is.
    """

    problem: Problem
    backbone: str
    method: str
    control: str | None
    value: Estimate | None
    shares: Shares | None
    macro_f1: Estimate | None
    kappa: Estimate | None
    char_accuracy: Estimate | None  # of transcripts, as the two above are of classes
    rank: int | None
    behind: Gap | None
    front: bool
    complete: bool
    status: str
    labels: str
    costs: Costs
    device: str
    device_name: str
    precision: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The rows of one problem, and the smallest difference that its design shows (`Pairwise`).

    `better` `(R, R)` is which of the R ranked rows, the first ones, is shown better than which.
    """

    rows: tuple[Row, ...]
    sees: float | None
    better: Better


def ranking(entrants: Sequence[Entrant], known: Rates) -> Ranking:
    """The rows of one problem, best first, those without a rank after them, controls last."""
    planned = _planned_draws(entrants)
    statuses = [_status(e, planned[e.group.control]) for e in entrants]
    ranked = [i for i, e in enumerate(entrants) if statuses[i] == "ok" and e.group.control is None]
    found = pairwise([entrants[i].main for i in ranked])
    rank_of = dict(zip(ranked, ranks(found).tolist(), strict=True))
    made = [
        _row(e, statuses[i], rank_of.get(i), costs(e.group.records, known))
        for i, e in enumerate(entrants)
    ]
    order = sorted(range(len(made)), key=lambda i: _order(made[i]))
    places = [ranked.index(i) for i in order[: len(ranked)]]  # ranked rows come first
    better = found.better()[np.ix_(places, places)]
    rows = [made[i] for i in order]
    marks = worth_a_look(
        better,
        found.low[np.ix_(places, places)] > -MARGIN,
        [row.costs for row in rows[: len(places)]],
        [row.device_name for row in rows[: len(places)]],
    )
    for at, place in enumerate(places):
        gap = _gap(found, place, places[0]) if at else None
        rows[at] = replace(rows[at], behind=gap, front=marks[at])
    return Ranking(tuple(rows), found.sees, better)


def _gap(found: Pairwise, one: int, other: int) -> Gap:
    return Gap(
        difference=float(found.difference[one, other]),
        low=float(found.low[one, other]),
        high=float(found.high[one, other]),
    )


def _row(entrant: Entrant, status: str, rank: int | None, spent: Costs) -> Row:
    group = entrant.group
    where = [record.provenance for record in group.records]
    return Row(
        problem=group.problem,
        backbone=group.backbone,
        method=group.method,
        control=group.control,
        value=entrant.estimate(group.problem.metric),
        shares=entrant.shares,
        macro_f1=entrant.estimate("macro_f1"),
        kappa=entrant.estimate("kappa"),
        char_accuracy=entrant.estimate("char_accuracy"),
        rank=rank,
        behind=None,
        front=False,
        complete=status == "ok",
        status=status,
        labels=_labels(group.records),
        costs=spent,
        device=_together(p.device for p in where),
        device_name=_together(p.device_name for p in where),
        precision=_together(p.precision for p in where),
        run_ids=tuple(record.run_id for record in group.records),
    )


def _planned_draws(entrants: Sequence[Entrant]) -> dict[str | None, set[int]]:
    """The draws that any peer has a record of, failed ones included, by control."""
    planned: dict[str | None, set[int]] = {}
    for entrant in entrants:
        draws = planned.setdefault(entrant.group.control, set())
        draws.update(record.draw for record in entrant.group.records)
    return planned


def _status(entrant: Entrant, planned: set[int]) -> str:
    group = entrant.group
    said = []
    if group.failed:
        kinds = sorted({record.failure.kind for record in group.failed if record.failure})
        there = {record.draw for record in group.records}
        word = "draws" if len(there) == len(group.records) else "runs"
        of = len(planned) if word == "draws" else len(group.records)
        said.append(f"{len(group.failed)} of {of} {word} failed: {', '.join(kinds) or 'unknown'}")
    if missing := planned - {record.draw for record in group.records}:
        said.append(f"{len(missing)} of {len(planned)} draws missing")
    runs = {(record.draw, record.seed) for record in group.records}
    there, seeds = ({one[i] for one in runs} for i in (0, 1))
    if len(runs) < len(there) * len(seeds):
        of = len(there) * len(seeds)
        said.append(f"{of - len(runs)} of {of} runs missing")
    return "; ".join(said) or "ok"


def _labels(records: Iterable[Record]) -> str:
    """Labelled training items, those beyond the rule after a plus; a range where draws differ."""
    data = [record.data for record in records if record.data is not None]
    own, extra = ({d.labels for d in data}, {d.labels_extra for d in data})
    if not data:
        return ""
    return _span(own) + (f"+{_span(extra)}" if any(extra) else "")


def _span(counts: set[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}-{high}"


def _together(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))


def _order(row: Row) -> tuple[bool, str, float, float, str, str]:
    value = row.value.mean if row.value else float("-inf")
    rank = float("inf") if row.rank is None else row.rank
    return (row.control is not None, row.control or "", rank, -value, row.backbone, row.method)
