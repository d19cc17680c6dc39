"""A board as titled tables of text, for the formats that people read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.tables import cells, words
from bench.tables.board import Board, Failed, Skipped
from bench.tables.controls import Check
from bench.tables.overall import Overall
from bench.tables.problem import Problem
from bench.tables.transfer import Transfer

Numbers: TypeAlias = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Column:
    """Cells of one column, not escaped. `outside` words have to be, ours need it nowhere."""

    head: str
    cells: tuple[str, ...]
    outside: bool = False

    @property
    def empty(self) -> bool:
        return all(cell in {"", cells.NONE} for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Section:
    """One table with its title and what is to be said about it."""

    title: str
    note: str
    columns: tuple[Column, ...]


def sections(board: Board) -> list[Section]:
    """Every table of a board that has a row."""
    found = [_problem(board, problem) for problem in board.problems]
    found += [
        _overall([entry for entry in board.overall if entry.modality == modality], modality)
        for modality in dict.fromkeys(entry.modality for entry in board.overall)
    ]
    if board.transfers:
        found.append(_transfers(board.transfers))
    if board.checks:
        found.append(_checks(board.checks))
    if board.failed:
        found.append(_failed(board.failed))
    if board.skipped:
        found.append(_skipped(board.skipped))
    return [section for section in found if section.columns[0].cells]


def _problem(board: Board, problem: Problem) -> Section:
    rows = [row for row in board.rows if row.problem == problem and row.control is None]
    metric = problem.metric
    side = "macro_f1" if metric != "macro_f1" else "kappa"
    devices = {(row.device, row.precision) for row in board.rows if row.precision != "none"}
    columns = [
        _own("rank", cells.ranks([r.rank for r in rows])),
        _own("front", (cells.mark(r.front) for r in rows)),
        _outside("backbone", (r.backbone for r in rows)),
        _outside("method", (r.method for r in rows)),
        _own(
            f"{cells.metric_words(metric)} (95 % CI)",
            (cells.with_interval(r.value, metric) for r in rows),
        ),
        _own("behind the best", (cells.behind(r.behind, metric) for r in rows)),
        _own(
            f"{cells.metric_words(side)} (95 % CI)",
            (cells.with_interval(getattr(r, side), side) for r in rows),
        ),
        _own("n test", (cells.whole(r.value.items if r.value else None) for r in rows)),
        _own("labels", (r.labels for r in rows)),
        _own("draws", (cells.whole(r.value.draws if r.value else 0) for r in rows)),
        _own("variance: draw / seed / item / rest, %", (cells.parts(r.shares) for r in rows)),
        _own("items/s", (cells.amount(r.costs.items_per_second) for r in rows)),
        _own("s per cell", (cells.amount(r.costs.seconds) for r in rows)),
        _own("backbone M", (cells.millions(r.costs.parameters) for r in rows)),
        _own("peak MB", (cells.megabytes(r.costs.bytes_peak) for r in rows)),
        _own("device MB", (cells.megabytes(r.costs.bytes_peak_device) for r in rows)),
        _own("trials", (f"{r.costs.trials}/{r.costs.trials_budget}" for r in rows)),
        _outside("device", (f"{r.device}, {r.precision}" for r in rows)),
        _outside("status", (r.status for r in rows)),
        _outside("records", (cells.runs(r.run_ids) for r in rows)),
    ]
    hidden = {"device"} if len(devices) <= 1 else set()
    spare = {"device MB", "backbone M", "behind the best"}
    shown = [
        c
        for c in columns
        if c.head not in hidden
        and not (c.empty and (c.head in spare or c.head.startswith("variance")))
    ]
    note = f"{words.of_problem(rows, board.sees.get(problem))} {board.facts.get(problem, '')}"
    return Section(problem.title, note.strip(), tuple(shown))


def _overall(entries: Sequence[Overall], modality: str) -> Section:
    most = max(entry.tasks + len(entry.missing) for entry in entries)
    spread = any(entry.rank_low is not None for entry in entries)
    ci = " (95 % CI)" if spread else ""
    columns = (
        _outside("backbone", (e.backbone for e in entries)),
        _outside("method", (e.method for e in entries)),
        _own("mean (95 % CI)", (cells.with_interval(e.value, e.metric) for e in entries)),
        _own(f"mean rank{ci}", (cells.with_range(*_rank(e), 2) for e in entries)),
        _own(f"win rate{ci}", (cells.with_range(*_win_rate(e), 1) for e in entries)),
        _own(f"Elo{ci}", (cells.with_range(e.elo, e.elo_low, e.elo_high, 0) for e in entries)),
        _own(f"improvability{ci}", (cells.with_range(*_improvability(e), 1) for e in entries)),
        _own("tasks", (f"{e.tasks} of {most}" for e in entries)),
        _own("n test", (cells.whole(e.value.items if e.value else None) for e in entries)),
        _outside("incomplete in", ("; ".join(e.missing) for e in entries)),
    )
    covers = sorted({e.value.covers.value for e in entries if e.value})
    note = words.of_tasks(covers, most, spread=spread) if covers else "No entrant is complete."
    shown = tuple(c for c in columns if not (c.empty and c.head.startswith("Elo")))
    return Section(f"Overall: {modality}", f"{words.OVERALL} {note}", shown)


def _rank(entry: Overall) -> Numbers:
    return entry.rank, entry.rank_low, entry.rank_high


def _win_rate(entry: Overall) -> Numbers:
    return _percents(entry.win_rate, entry.win_rate_low, entry.win_rate_high)


def _improvability(entry: Overall) -> Numbers:
    return _percents(entry.improvability, entry.improvability_low, entry.improvability_high)


def _percents(value: float | None, low: float | None, high: float | None) -> Numbers:
    first, second, third = (None if x is None else 100 * x for x in (value, low, high))
    return first, second, third


def _transfers(found: Sequence[Transfer]) -> Section:
    rows = [(of, place, one) for of in found for place, one in enumerate(of.backbones)]
    return Section(
        "Which backbone?",
        words.of_transfers(found),
        (
            _outside("task", (of.problem.title for of, _, _ in rows)),
            _outside("backbone", (one.backbone for _, _, one in rows)),
            _own(
                "LogME (draws)",
                (cells.with_range(one.logme, one.least, one.most, 3) for _, _, one in rows),
            ),
            _own("came out", (cells.score(one.best, of.problem.metric) for of, _, one in rows)),
            _outside("with", (one.method or cells.NONE for _, _, one in rows)),
            _own(
                "weighted tau (draws)",
                (
                    "" if place else cells.with_range(of.tau, of.least, of.most, 2)
                    for of, place, _ in rows
                ),
            ),
            _own("draws", (cells.whole(one.draws) for _, _, one in rows)),
            _outside("records", (cells.runs(one.run_ids) for _, _, one in rows)),
        ),
    )


def _checks(found: Sequence[Check]) -> Section:
    return Section(
        "Controls",
        words.CHECKS,
        (
            _outside("control", (c.control for c in found)),
            _outside("task", (c.problem.title for c in found)),
            _outside("backbone", (c.backbone for c in found)),
            _outside("method", (c.method for c in found)),
            _own("verdict", (c.verdict.value for c in found)),
            _outside("statistic", (c.statistic for c in found)),
            _own("value (95 % CI)", map(_check_value, found)),
            _own("accuracy", (cells.percent(c.accuracy) for c in found)),
            _own("chance 1/k", (cells.percent(c.uniform) for c in found)),
            _own("majority", (cells.percent(c.majority) for c in found)),
            _own("matched", (cells.percent(c.matched) for c in found)),
            _own("draws", (cells.whole(c.draws) for c in found)),
            _own("n test", (cells.whole(c.items or None) for c in found)),
            _outside("records", (cells.runs(c.run_ids) for c in found)),
        ),
    )


def _check_value(check: Check) -> str:
    if check.value is None or check.low is None or check.high is None:
        return cells.NONE
    if check.statistic == "kappa":
        return cells.interval(check.value, check.low, check.high, "kappa")
    metric = check.problem.metric
    return cells.interval(check.value, check.low, check.high, metric, sign="+")


def _failed(found: Sequence[Failed]) -> Section:
    return Section(
        "Failures",
        "Cells without a result; nothing stands in for them above.",
        (
            _outside("task", (f.task for f in found)),
            _outside("backbone", (f.backbone for f in found)),
            _outside("method", (f.method for f in found)),
            _outside("control", (f.control or "" for f in found)),
            _own("draw", (str(f.draw) for f in found)),
            _own("seed", (str(f.seed) for f in found)),
            _outside("kind", (f.kind for f in found)),
            _outside("message", (f.message for f in found)),
            _outside("record", (f.run_id[:8] for f in found)),
        ),
    )


def _skipped(found: Sequence[Skipped]) -> Section:
    return Section(
        "Not run",
        "Combinations that do not apply.",
        (
            _outside("task", (s.task for s in found)),
            _outside("backbone", (s.backbone for s in found)),
            _outside("method", (s.method for s in found)),
            _outside("reason", (s.reason for s in found)),
        ),
    )


def _own(head: str, values: Iterable[str]) -> Column:
    return Column(head, tuple(values))


def _outside(head: str, values: Iterable[str]) -> Column:
    return Column(head, tuple(values), outside=True)
