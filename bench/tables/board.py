"""Everything that a table says, derived from a store and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.core.record import Record
from bench.store import Store
from bench.tables.controls import Check, checks
from bench.tables.costs import rates
from bench.tables.curves import Curve, curves
from bench.tables.distilled import Distilled, distilled
from bench.tables.entrants import Group, check_same_items, groups, load
from bench.tables.facts import facts
from bench.tables.front import Better
from bench.tables.overall import Overall, overall
from bench.tables.problem import Problem
from bench.tables.robustness import Robustness, changed, robustness
from bench.tables.rows import Row, ranking
from bench.tables.transfer import Transfer, transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One cell that gave no result, and why."""

    task: str
    backbone: str
    method: str
    control: str | None
    draw: int
    seed: int
    kind: str
    message: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A combination that does not apply, and why."""

    task: str
    backbone: str
    method: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A suite's results: `records` of `cells` are there, one each.

    `changed` are the problems whose test inputs are under a condition, or are another task's:
    what is said over tasks leaves them out.
    `first` and `last` are the days (UTC) of the records, `places` the devices with
    their precision, `sees` the smallest difference that a problem's design shows with a
    probability of 80 % in one comparison (`bench.stats.Pairwise`), `facts` what loading
    noticed of its data.
    """

    suite: str
    version: int
    cells: int
    records: int
    first: str
    last: str
    places: tuple[str, ...]
    rows: tuple[Row, ...]
    sees: Mapping[Problem, float | None]
    facts: Mapping[Problem, str]
    changed: frozenset[Problem]
    curves: tuple[Curve, ...]
    robustness: tuple[Robustness, ...]
    overall: tuple[Overall, ...]
    transfers: tuple[Transfer, ...]
    students: tuple[Distilled, ...]
    checks: tuple[Check, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[Skipped, ...]

    @property
    def problems(self) -> list[Problem]:
        """In the order of the rows."""
        return list(dict.fromkeys(row.problem for row in self.rows))


def board(store: Store) -> Board:
    """Read a store. One problem's values are in memory at a time.

    Raises:
        StoreError: if the folder holds no run, a file is damaged, or records that claim
            the same data have different test items.
    """
    suite = store.suite()
    records = store.final()
    known = rates(records)
    found: list[Row] = []
    judged: list[Check] = []
    told: list[Transfer] = []
    students: list[Distilled] = []
    sees: dict[Problem, float | None] = {}
    better: dict[Problem, Better] = {}
    noticed: dict[Problem, str] = {}
    by_problem = in_suite_order(records, suite)
    apart = changed(by_problem)
    for problem, rows in by_problem.items():
        entrants = [load(store, group) for group in rows]
        check_same_items(entrants)
        ranked = ranking(entrants, known)
        found += ranked.rows
        sees[problem], better[problem] = ranked.sees, ranked.better
        noticed[problem] = facts(r for group in rows for r in group.records)
        judged += checks(entrants)
        students += distilled(entrants, known)
        if problem not in apart and (one := transfer(problem, rows, ranked.rows)):
            told.append(one)
    days = sorted(record.provenance.date[:10] for record in records)
    return Board(
        suite=str(suite.get("name", "")),
        version=int(suite.get("version", 1)),
        cells=max(len(set(suite.get("cells") or ())), len(records)),
        records=len(records),
        first=days[0] if days else "",
        last=days[-1] if days else "",
        places=_places(records),
        rows=tuple(found),
        sees=sees,
        facts=noticed,
        changed=apart,
        curves=tuple(curves(by_problem, found)),
        robustness=tuple(robustness(store, by_problem, found)),
        overall=tuple(overall([row for row in found if row.problem not in apart], better)),
        transfers=tuple(told),
        students=tuple(students),
        checks=tuple(judged),
        failed=tuple(_failed(records)),
        skipped=tuple(_skipped(suite)),
    )


def in_suite_order(
    records: Iterable[Record], suite: Mapping[str, Any]
) -> dict[Problem, list[Group]]:
    """Rows by problem, the problems in the order of the suite's cells."""
    order = {run_id: place for place, run_id in enumerate(suite.get("cells") or ())}
    found = groups(records)
    return {p: found[p] for p in sorted(found, key=lambda p: _place(p, found[p], order))}


def _place(
    problem: Problem, rows: Iterable[Group], order: Mapping[str, int]
) -> tuple[int, Problem]:
    """Problems come in the order of the suite's cells, and without one by name."""
    cells = (order.get(record.run_id, len(order)) for row in rows for record in row.records)
    return min(cells), problem


def _places(records: Iterable[Record]) -> tuple[str, ...]:
    """Devices with their precision; methods without a backbone have none, and need no mention."""
    found: dict[tuple[str, str], set[str]] = {}
    for record in records:
        where = record.provenance
        found.setdefault((where.device_name, where.device), set()).add(where.precision)
    return tuple(
        f"{name} ({', '.join([device, *sorted(precisions - {'none'})])})"
        for (name, device), precisions in sorted(found.items())
    )


def _skipped(suite: Mapping[str, Any]) -> list[Skipped]:
    names = ("task", "backbone", "method", "reason")
    rows = [{name: str(row.get(name, "")) for name in names} for row in suite.get("skipped") or ()]
    return list(dict.fromkeys(Skipped(**row) for row in rows))  # sizes of a curve say the same


def _failed(records: Iterable[Record]) -> list[Failed]:
    found = [
        Failed(
            task=record.task,
            backbone=record.backbone,
            method=record.method,
            control=record.control,
            draw=record.draw,
            seed=record.seed,
            kind=record.failure.kind,
            message=record.failure.message,
            run_id=record.run_id,
        )
        for record in records
        if record.failure is not None
    ]
    return sorted(found, key=_failed_order)


def _failed_order(cell: Failed) -> tuple[str, str, str, str, int, int, str]:
    control = cell.control or ""
    return (cell.task, cell.backbone, cell.method, control, cell.draw, cell.seed, cell.run_id)
