"""One baseline against one candidate: a verdict for every row, and one overall."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.core.errors import StoreError, UserError
from bench.core.record import Record
from bench.gate.accuracy import DifferentItemsError, Judged, Scores, judge, read
from bench.gate.costs import CounterChange, Speed, counters, speed
from bench.gate.rows import Couple, couples
from bench.gate.verdict import Verdict, worst
from bench.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two folders."""

    folder: str
    records: int
    commits: tuple[str, ...]  # of the code that made the records
    dirty: bool  # whether that code had changes no commit has


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row's verdict with all that it stands on; `reasons` say why it is undecided."""

    name: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scores: Scores | None = None
    judged: Judged | None = None
    counters: tuple[CounterChange, ...] = ()
    speed: Speed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows. `family` is the number of rows that Holm is over: those that differ."""

    baseline: Side
    candidate: Side
    margin: float
    family: int
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> Verdict:
        return worst(row.verdict for row in self.rows)


def check(baseline: str | Path, candidate: str | Path, *, accuracy_margin: float = 0.01) -> Report:
    """Compare the final records of two folders.

    Args:
        baseline: a published folder, or a run's.
        candidate: the same.
        accuracy_margin: a drop of the main metric up to this size is never a regression.

    Raises:
        StoreError: if a folder holds no run, or a record or its predictions are damaged.
        UserError: if the margin is no number from 0 to 1.
    """
    if not 0 <= accuracy_margin <= 1:
        raise UserError(f"an accuracy margin is from 0 to 1 (0.01 is a point): {accuracy_margin}")
    ours, theirs = Store(Path(baseline)), Store(Path(candidate))
    before, after = _records(ours), _records(theirs)
    drafts = [_draft(couple, ours, theirs) for couple in couples(before, after)]
    differing = [row for row, _ in drafts if row.scores and row.scores.compared]
    decided = iter(judge([row.scores for row in differing if row.scores], accuracy_margin))
    rows = [
        _final(row, next(decided) if row.scores and row.scores.compared else None, couple)
        for row, couple in drafts
    ]
    return Report(
        baseline=_side(ours, before),
        candidate=_side(theirs, after),
        margin=accuracy_margin,
        family=len(differing),
        rows=tuple(rows),
    )


def _records(store: Store) -> list[Record]:
    store.suite()  # raises where the folder holds no run
    found = store.final()
    if not found:
        raise StoreError(f"{store.folder} holds no run (no record): give a folder that has one")
    return found


def _draft(couple: Couple, ours: Store, theirs: Store) -> tuple[Row, Couple]:
    """A row as far as it can be said alone: Holm needs all of them."""
    if couple.new:
        return Row(name=couple.name, verdict=Verdict.NEW), couple
    reasons, scores = couple.blocked, None
    if not reasons:
        try:
            scores = read(couple, ours, theirs)
        except DifferentItemsError:
            reasons = ("the test items differ, under one data fingerprint",)
    verdict = Verdict.UNDECIDED if reasons else Verdict.SAME
    row = Row(name=couple.name, verdict=verdict, reasons=reasons, notes=couple.notes, scores=scores)
    return row, couple


def _final(row: Row, judged: Judged | None, couple: Couple) -> Row:
    if row.verdict is not Verdict.SAME:
        return row
    changed = counters(couple)
    verdict = judged.verdict if judged else Verdict.SAME
    return Row(
        name=row.name,
        verdict=Verdict.REGRESSION if any(c.regression for c in changed) else verdict,
        notes=row.notes,
        scores=row.scores,
        judged=judged,
        counters=changed,
        speed=speed(couple),
    )


def _side(store: Store, records: list[Record]) -> Side:
    commits = {record.provenance.commit for record in records if record.provenance.commit}
    return Side(
        folder=str(store.folder),
        records=len(records),
        commits=tuple(sorted(commits)),
        dirty=any(record.provenance.dirty for record in records),
    )
