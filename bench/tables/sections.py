"""A board as titled tables of text, for the formats that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from bench.stats import Comparison
from bench.tables import cells, words
from bench.tables.board import Board, Failed, Skipped
from bench.tables.columns import Column, Section, outside, own
from bench.tables.controls import Check
from bench.tables.curves import Curve, Line, Size
from bench.tables.distilled import Distilled
from bench.tables.overall import Overall
from bench.tables.problem import Problem
from bench.tables.robustness import Robustness
from bench.tables.rows import Gap, Row
from bench.tables.transfer import Transfer

Numbers: TypeAlias = tuple[float | None, float | None, float | None]


def sections(board: Board) -> list[Section]:
    """Every table of a board that has a row."""
    found = [_problem(board, problem) for problem in board.problems]
    found += map(_curve, board.curves)
    found += map(robust, board.robustness)
    found += [
        _overall([entry for entry in board.overall if (entry.modality, entry.train) == of], *of)
        for of in dict.fromkeys((entry.modality, entry.train) for entry in board.overall)
    ]
    if board.transfers:
        found.append(_transfers(board.transfers))
    if board.students:
        found.append(_students(board.students))
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
    side = {"macro_f1": "kappa", "word_accuracy": "char_accuracy"}.get(metric, "macro_f1")
    devices = {(row.device, row.precision) for row in board.rows if row.precision != "none"}
    columns = [
        own("rank", cells.ranks([r.rank for r in rows])),
        own("front", (cells.mark(r.front) for r in rows)),
        outside("backbone", (r.backbone for r in rows)),
        outside("method", (r.method for r in rows)),
        own(
            f"{cells.metric_words(metric)} (95 % CI)",
            (cells.with_interval(r.value, metric) for r in rows),
        ),
        own("behind the best", (cells.behind(r.behind, metric) for r in rows)),
        own(
            f"{cells.metric_words(side)} (95 % CI)",
            (cells.with_interval(getattr(r, side), side) for r in rows),
        ),
        own("n test", (cells.whole(r.value.items if r.value else None) for r in rows)),
        own("labels", (r.labels for r in rows)),
        own("draws", (cells.whole(r.value.draws if r.value else 0) for r in rows)),
        own("variance: draw / seed / item / rest, %", (cells.parts(r.shares) for r in rows)),
        own("items/s", (cells.amount(r.costs.items_per_second) for r in rows)),
        own("s per cell", (cells.amount(r.costs.seconds) for r in rows)),
        own("backbone M", (cells.millions(r.costs.parameters) for r in rows)),
        own("peak MB", (cells.megabytes(r.costs.bytes_peak) for r in rows)),
        own("device MB", (cells.megabytes(r.costs.bytes_peak_device) for r in rows)),
        own("trials", (f"{r.costs.trials}/{r.costs.trials_budget}" for r in rows)),
        outside("device", (f"{r.device}, {r.precision}" for r in rows)),
        outside("status", (r.status for r in rows)),
        outside("records", (cells.runs(r.run_ids) for r in rows)),
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


def _curve(curve: Curve) -> Section:
    return Section(
        f"Label efficiency: {curve.title}",
        words.of_curve(curve),
        (
            outside("backbone", (line.backbone for line in curve.lines)),
            outside("method", (line.method for line in curve.lines)),
            *(_size(curve, i, size) for i, size in enumerate(curve.sizes)),
        ),
    )


def _size(curve: Curve, place: int, size: Size) -> Column:
    head = f"{size.words} {words.CAPPED}" if size.capped else size.words
    return own(head, (_value(curve.metric, line, place) for line in curve.lines))


def _value(metric: str, line: Line, place: int) -> str:
    row = line.rows[place]
    if row is None or row.value is None:
        return cells.NONE
    value = cells.with_interval(row.value, metric)
    return value if row.complete else f"{value} {words.INCOMPLETE}"


def robust(found: Robustness) -> Section:
    """What is left of each entrant's score under each change."""
    metric = found.problem.metric
    return Section(
        f"Robustness: {found.problem.title}",
        words.of_robustness(found),
        (
            outside("backbone", (line.clean.backbone for line in found.lines)),
            outside("method", (line.clean.method for line in found.lines)),
            own("clean", (_kept(line.clean, None, metric) for line in found.lines)),
            *(
                own(
                    change.words,
                    (_kept(x.held[i].row, x.held[i].gap, metric) for x in found.lines),
                )
                for i, change in enumerate(found.changes)
            ),
        ),
    )


def _kept(row: Row | None, gap: Gap | None, metric: str) -> str:
    """`71.4: -5.2 [-7.0, -3.4]`: a score, and its difference from that on clean inputs."""
    if row is None or row.value is None:
        return cells.NONE
    said = cells.score(row.value.mean, metric)
    said += "" if row.complete else f" {words.INCOMPLETE}"
    return said if gap is None else f"{said}: {cells.behind(gap, metric)}"


def _overall(entries: Sequence[Overall], modality: str, train: str) -> Section:
    most = max(entry.tasks + len(entry.missing) for entry in entries)
    spread = any(entry.rank_low is not None for entry in entries)
    ci = " (95 % CI)" if spread else ""
    columns = (
        outside("backbone", (e.backbone for e in entries)),
        outside("method", (e.method for e in entries)),
        own("mean (95 % CI)", (cells.with_interval(e.value, e.metric) for e in entries)),
        own(f"mean rank{ci}", (cells.with_range(*_rank(e), 2) for e in entries)),
        own(f"win rate{ci}", (cells.with_range(*_win_rate(e), 1) for e in entries)),
        own(f"Elo{ci}", (cells.with_range(e.elo, e.elo_low, e.elo_high, 0) for e in entries)),
        own(f"improvability{ci}", (cells.with_range(*_improvability(e), 1) for e in entries)),
        own("tasks", (f"{e.tasks} of {most}" for e in entries)),
        own("n test", (cells.whole(e.value.items if e.value else None) for e in entries)),
        outside("incomplete in", ("; ".join(e.missing) for e in entries)),
    )
    covers = sorted({e.value.covers.value for e in entries if e.value})
    note = words.of_tasks(covers, most, spread=spread) if covers else "No entrant is complete."
    shown = tuple(c for c in columns if not (c.empty and c.head.startswith("Elo")))
    title = f"Overall: {modality} ({train})" if train else f"Overall: {modality}"
    return Section(title, f"{words.OVERALL} {note}", shown)


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
            outside("task", (of.problem.title for of, _, _ in rows)),
            outside("backbone", (one.backbone for _, _, one in rows)),
            own(
                "LogME (draws)",
                (cells.with_range(one.logme, one.least, one.most, 3) for _, _, one in rows),
            ),
            own("came out", (cells.score(one.best, of.problem.metric) for of, _, one in rows)),
            outside("with", (one.method or cells.NONE for _, _, one in rows)),
            own(
                "weighted tau (draws)",
                (
                    "" if place else cells.with_range(of.tau, of.least, of.most, 2)
                    for of, place, _ in rows
                ),
            ),
            own("draws", (cells.whole(one.draws) for _, _, one in rows)),
            outside("records", (cells.runs(one.run_ids) for _, _, one in rows)),
        ),
    )


def _students(found: Sequence[Distilled]) -> Section:
    return Section(
        "Distillation",
        words.STUDENTS,
        (
            outside("task", (one.problem.title for one in found)),
            outside("student", (one.backbone for one in found)),
            outside("method", (one.method for one in found)),
            outside("teacher", (one.teacher for one in found)),
            own("over its own fine-tuning", (_compared(one.gained, one) for one in found)),
            own("over its teacher", (_compared(one.missed, one) for one in found)),
            own("advantage kept, %", (cells.percent(one.kept) for one in found)),
            own("times smaller", (cells.amount(one.smaller) for one in found)),
            own("times the items/s", (cells.amount(one.faster) for one in found)),
            outside("records", (cells.runs(one.run_ids) for one in found)),
        ),
    )


def _compared(found: Comparison | None, one: Distilled) -> str:
    if found is None:
        return cells.NONE
    gap = Gap(difference=found.difference, low=found.low, high=found.high)
    return cells.behind(gap, one.problem.metric)


def _checks(found: Sequence[Check]) -> Section:
    return Section(
        "Controls",
        words.CHECKS,
        (
            outside("control", (c.control for c in found)),
            outside("task", (c.problem.title for c in found)),
            outside("backbone", (c.backbone for c in found)),
            outside("method", (c.method for c in found)),
            own("verdict", (c.verdict.value for c in found)),
            outside("statistic", (c.statistic for c in found)),
            own("value (95 % CI)", map(_check_value, found)),
            own("accuracy", (cells.percent(c.accuracy) for c in found)),
            own("chance 1/k", (cells.percent(c.uniform) for c in found)),
            own("majority", (cells.percent(c.majority) for c in found)),
            own("matched", (cells.percent(c.matched) for c in found)),
            own("draws", (cells.whole(c.draws) for c in found)),
            own("n test", (cells.whole(c.items or None) for c in found)),
            outside("records", (cells.runs(c.run_ids) for c in found)),
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
            outside("task", (f.task for f in found)),
            outside("backbone", (f.backbone for f in found)),
            outside("method", (f.method for f in found)),
            outside("control", (f.control or "" for f in found)),
            own("draw", (str(f.draw) for f in found)),
            own("seed", (str(f.seed) for f in found)),
            outside("kind", (f.kind for f in found)),
            outside("message", (f.message for f in found)),
            outside("record", (f.run_id[:8] for f in found)),
        ),
    )


def _skipped(found: Sequence[Skipped]) -> Section:
    return Section(
        "Not run",
        "Combinations that do not apply.",
        (
            outside("task", (s.task for s in found)),
            outside("backbone", (s.backbone for s in found)),
            outside("method", (s.method for s in found)),
            outside("reason", (s.reason for s in found)),
        ),
    )
