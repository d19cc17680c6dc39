"""Sentences above the tables: where the numbers come from, and what their intervals cover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.core.amounts import counted
from bench.stats import FEWEST, TOLERANCE
from bench.tables import cells
from bench.tables.board import Board
from bench.tables.curves import Curve
from bench.tables.robustness import Robustness
from bench.tables.rows import Row
from bench.tables.transfer import Transfer


def heading(board: Board) -> str:
    return f"{board.suite}, version {board.version}"


def origin(board: Board) -> str:
    """Suite, devices, dates and intervals in one line."""
    if not board.records:
        return f"Suite {heading(board)}: no records yet."
    days = board.first if board.first == board.last else f"{board.first} to {board.last}"
    cells = f"{board.records:,} of {counted(board.cells, 'cell')} recorded, {days}"
    parts = [f"Suite {heading(board)}", "; ".join(board.places), cells]
    return " · ".join([*parts, _covers(board.rows)]) + "."


def legend(board: Board) -> str:
    """How to read the tables."""
    return f"{LEGEND} {CHANGED}" if board.changed else LEGEND


def of_problem(rows: Sequence[Row], sees: float | None) -> str:
    """What the intervals of one table cover and what its design sees; rows without a control."""
    values = [row.value for row in rows if row.value is not None]
    if not values:
        return "No record succeeded."
    draws, items = ({v.draws for v in values}, {v.items for v in values})
    tested = " or ".join(f"{n:,}" for n in sorted(items))
    if draws == {1}:
        covers = f"95 % intervals over {tested} test items; one draw: test sampling alone."
    else:
        fewer = "" if len(draws) == 1 else " (where fewer are given, over those)"
        covers = f"95 % intervals over {max(draws):,} draws{fewer} and {tested} test items."
    if sees is None:
        return covers
    return f"{covers} Sees {cells.difference(sees, rows[0].problem.metric)} at 80 %."


def of_tasks(covers: Sequence[str], tasks: int, *, spread: bool) -> str:
    """What the intervals of an overall table cover."""
    fixed = f"Interval of the mean over {' or '.join(covers)}"
    if spread:
        return f"{fixed}; of the others over other tasks like these {tasks}, by resampling tasks."
    return f"{fixed}; of the others none: that takes {FEWEST} tasks, and here are {tasks}."


def of_transfers(found: Sequence[Transfer]) -> str:
    """What LogME is, and how well it foretold the order over the tasks of each modality."""
    taus: dict[str, list[float]] = {}
    for one in found:
        if one.tau is not None:
            taus.setdefault(one.problem.modality, []).append(one.tau)
    said = [
        f"Mean weighted tau of {modality}: {cells.fixed(sum(of) / len(of), 2)} over"
        f" {len(of)} {'task' if len(of) == 1 else 'tasks'}."
        for modality, of in sorted(taus.items())
    ]
    return " ".join([TRANSFERS, *said])


def of_curve(curve: Curve) -> str:
    """What a curve's numbers rest on, and its marks where there are any."""
    values = [row.value for line in curve.lines for row in line.rows if row and row.value]
    if not values:
        return "No record succeeded."
    draws, items = _spans(v.draws for v in values), _spans(v.items for v in values)
    said = [f"{cells.metric_words(curve.metric)}: mean and 95 % interval over {draws} draws"]
    said[0] += f" and {items} test items; records stand in the tables by size."
    said.append(CURVES)
    if ends := [f"{size.capped:,} at {size.words}" for size in curve.sizes if size.capped]:
        said.append(f"{CAPPED} {CURVE_ENDS}: {', '.join(ends)}.")
    if any(row and row.value and not row.complete for line in curve.lines for row in line.rows):
        said.append(f"{INCOMPLETE} Not every draw is there.")
    return " ".join(said)


def of_robustness(found: Robustness) -> str:
    """What the differences of one table rest on."""
    values = [line.clean.value for line in found.lines if line.clean.value]
    if not values:
        return "No record succeeded."
    draws, items = _spans(v.draws for v in values), _spans(v.items for v in values)
    said = [f"{cells.metric_words(found.problem.metric)} over {draws} draws; clean: {items} test"]
    said[0] += f" items. {ROBUST}"
    if any(not change.paired for change in found.changes):
        said.append(ELSEWHERE)
    rows = [line.clean for line in found.lines]
    rows += [held.row for line in found.lines for held in line.held if held.row]
    if any(row.value and not row.complete for row in rows):
        said.append(f"{INCOMPLETE} Not every draw is there.")
    return " ".join(said)


def _spans(counts: Iterable[int]) -> str:
    return " or ".join(f"{n:,}" for n in sorted(set(counts)))


def _covers(rows: Iterable[Row]) -> str:
    draws = {row.value.draws for row in rows if row.value is not None and row.control is None}
    if not draws:
        return "no result yet"
    if draws == {1}:
        return "95 % intervals; one draw: test sampling alone"
    single = "; where there is one draw: test sampling alone" if 1 in draws else ""
    return f"95 % intervals over draws and test items{single}"


CAPPED, INCOMPLETE = "†", "‡"
"""Marks of a size at which the smallest class ends, and of a value with draws missing."""
CURVES = (
    "Labels that settings are chosen on are counted; a draw's items of one size lie in those of"
    " the next, the same for every method."
)
CURVE_ENDS = (
    "Beyond the smallest classes: how many had fewer items than asked for, and gave all they have"
)
LEGEND = (
    "Rank: one more than the number of entrants shown to be better (paired, Holm over all pairs:"
    " in at least 95 % of tables nobody is ranked below one that is no better)."
    " Behind the best: paired difference from the first row, with a"
    " 95 % interval that is not adjusted for the number of rows. Sees: the smallest difference"
    " that one comparison at 5 % shows with a probability of 80 %, for the median pair."
    " items/s: measured extraction, raw inputs in and features out, shared by a backbone's"
    " methods; s per cell: mean wall time with cached extraction charged, and without the start of"
    " the backbone that is extracted with; trials: settings"
    " tried on validation data, of the budget; peak MB: of the worker's process, which keeps the"
    " data and the backbone of the cell before. Front: yes, unless a row on"
    " the front is shown to be at most a point behind it, costs no more (s per cell, items/s,"
    f" the backbone's parameters, peak memory, from {100 * TOLERANCE:g} % on, on the same device)"
    " and is better in something."
)
CHANGED = (
    "Tables over tasks and of backbones are of clean problems alone: those whose test inputs"
    " are changed, or are another task's, stand in tables of their own and under Robustness."
)
ROBUST = (
    "After the colon: the difference from the clean score, paired by draw and test item, with a"
    " 95 % interval that is not adjusted for the number of columns. Training is the same in every"
    " column, and a severity goes from 1 to 5; the scores' own intervals stand in the tables by"
    " problem."
)
ELSEWHERE = (
    "Tested on: other items, and so not paired; draws are taken as independent, which makes the"
    " interval rather too wide."
)
OVERALL = (
    "For entrants complete in every task: mean of the main metrics; mean of the ranks above; win"
    " rate, in %, over tasks and the other complete entrants, a difference that is not shown"
    " being half a win; Elo, the strengths that fit these wins best (Bradley-Terry), mean 1000,"
    " where no part of the entrants always wins;"
    " improvability, the % of its error that the best of them does not make"
    " (0 is best)."
)
STUDENTS = (
    "A student's main metric minus that of the same backbone fine-tuned on the labels alone, and"
    " minus its teacher's: paired, with 95 % intervals. Kept: the share of the teacher's advantage"
    " over that fine-tuning which the student has, a dash where the teacher has none; it has no"
    " interval of its own."
)
TRANSFERS = (
    "LogME: log evidence per item of a linear model on the features of the labelled items, no head"
    " trained; higher is better, comparable within a task. Came out: the best of the"
    " backbone's complete rows above (which have its interval). Weighted tau: agreement of the"
    " two orders, from -1 to 1, exchanges at the top weighing most; none for fewer than three"
    " backbones. In brackets the least and the most of single draws."
)
CHECKS = (
    "Shuffled labels: kappa, beside accuracy and its chance levels (1/k, majority, matched to"
    " the predicted shares). Random weights and self: paired difference from the counterpart."
)
