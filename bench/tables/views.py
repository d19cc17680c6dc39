"""Further tables of a store, each for one question: equal budget, break-even, the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.core.errors import UserError, did_you_mean
from bench.store import Store
from bench.tables import cells
from bench.tables.board import board, in_suite_order
from bench.tables.breakeven import BreakEven, Pair, break_even, ratios, times
from bench.tables.budget import BudgetCurve, Mean, budget_curves
from bench.tables.columns import Section, outside, own
from bench.tables.crossing import about
from bench.tables.ledger import Entry, Spent, ledger
from bench.tables.markdown import document
from bench.tables.plain import dumps, robustness_plain, size_plain
from bench.tables.sections import robust

FORMATS = ("md", "json")
SCHEMA = 1
"""Of the JSON; raised when a key changes its meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a table says: for people a legend and sections, for programs plain data."""

    title: str
    legend: str
    sections: tuple[Section, ...]
    plain: dict[str, Any]


def of_budget(store: Store) -> View:
    """Best validation score, and test score where there is one, after each trial.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    found = budget_curves(in_suite_order(store.final(), store.suite()))
    problems = dict.fromkeys(curve.problem for curve in found)
    return View(
        title="scores by trials",
        legend=BUDGET,
        sections=tuple(_budget([c for c in found if c.problem == p]) for p in problems),
        plain={"budget_curves": [asdict(curve) for curve in found]},
    )


def of_break_even(store: Store, first: str, second: str) -> View:
    """From how many labels on one of two entrants is better, and what it costs.

    Raises:
        UserError: if a name is of no entrant, of several, or no task has a curve of both.
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    found = break_even(store, in_suite_order(store.final(), store.suite()), first, second)
    return View(
        title=f"{first} and {second} by labels",
        legend=BREAK_EVEN,
        sections=tuple(map(_break_even, found)),
        plain={"break_even": [_plain(one) for one in found]},
    )


def of_ledger(store: Store) -> View:
    """What each entrant's cells cost.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    found = ledger(in_suite_order(store.final(), store.suite()))
    return View(
        title="ledger",
        legend=LEDGER,
        sections=(_ledger(found),) if found else (),
        plain={"ledger": [asdict(entry) for entry in found]},
    )


def of_robustness(store: Store) -> View:
    """What each entrant loses where its test inputs are changed, or are another task's.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: if no test inputs are changed.
    """
    found = board(store).robustness
    if not found:
        raise UserError(
            "no test inputs are changed here;"
            ' a suite asks for them with conditions = ["clean", ...] or test_on'
        )
    return View(
        title="robustness",
        legend=CHANGED_INPUTS,
        sections=tuple(map(robust, found)),
        plain={"robustness": [robustness_plain(one) for one in found]},
    )


def render_view(view: View, suite: Mapping[str, Any], format: str) -> str:  # noqa: A002
    """Text of a view: a pure function.

    Raises:
        UserError: if it is not written in that format.
    """
    if format not in FORMATS:
        raise UserError(f"this table is not written as {format!r}{did_you_mean(format, FORMATS)}")
    name, version = str(suite.get("name", "")), int(suite.get("version", 1))
    if format == "json":
        return dumps({"schema": SCHEMA, "suite": name, "version": version, **view.plain})
    lines = [view.legend] if view.sections else ["No record succeeded."]
    return document(f"{name}, version {version}: {view.title}", lines, view.sections)


def _budget(curves: Sequence[BudgetCurve]) -> Section:
    rows = [(curve, step) for curve in curves for step in curve.steps]
    problem = curves[0].problem
    metric = cells.metric_words(problem.metric)
    return Section(
        problem.title,
        "",
        (
            outside("backbone", (c.backbone for c, _ in rows)),
            outside("method", (c.method for c, _ in rows)),
            own("trials", (f"{s.trials}/{c.budget}" for c, s in rows)),
            own(
                f"best validation {metric}", (_mean(s.validation, problem.metric) for _, s in rows)
            ),
            own("draws", (_draws(s.validation) for _, s in rows)),
            own(f"test {metric}", (_mean(s.test, problem.metric) for _, s in rows)),
            own("of draws", (f"{s.test.draws if s.test else 0}/{c.draws}" for c, s in rows)),
            own("s of tuning", (_small(s.seconds.mean if s.seconds else None) for _, s in rows)),
            outside("records", (cells.runs(c.run_ids) for c, _ in rows)),
        ),
    )


def _mean(found: Mean | None, metric: str) -> str:
    if found is None:
        return cells.NONE
    return cells.interval(found.mean, found.least, found.most, metric)


def _draws(found: Mean | None) -> str:
    return cells.whole(found.draws if found else 0)


def _break_even(one: BreakEven) -> Section:
    pairs, metric = one.pairs, one.metric
    founds = [pair.found for pair in pairs]
    return Section(
        one.title,
        f"{one.sentence}.",
        (
            own("labels a class", (_labels(pair) for pair in pairs)),
            own(
                f"difference in {cells.metric_words(metric)} (95 % CI)",
                (
                    cells.interval(f.difference, f.low, f.high, metric, sign="+")
                    if f
                    else cells.NONE
                    for f in founds
                ),
            ),
            own("shown", (cells.mark(f is not None and f.significant) for f in founds)),
            own("fit", (_ratio(pair, "fit") for pair in pairs)),
            own("tune and fit", (_ratio(pair, "tune_and_fit") for pair in pairs)),
            own("prediction", (_ratio(pair, "predict") for pair in pairs)),
            own("first, s per fit", (_seconds(p.first) for p in pairs)),
            own("second, s per fit", (_seconds(p.second) for p in pairs)),
            own("first, ms per prediction", (_milliseconds(p.first) for p in pairs)),
            own("second, ms per prediction", (_milliseconds(p.second) for p in pairs)),
            own("draws", (cells.whole(f.draws if f else 0) for f in founds)),
            own("n test", (cells.whole(f.items if f else None) for f in founds)),
            outside("records", (cells.runs(pair.run_ids) for pair in pairs)),
        ),
    )


def _labels(pair: Pair) -> str:
    size = pair.size
    if size.per_class is not None and not size.capped:
        return f"{size.per_class:,}"
    asked = "all" if size.per_class is None else f"{size.per_class:,}"
    return asked if size.labels is None else f"{asked} ({about(size.labels)} on average)"


def _ratio(pair: Pair, cost: str) -> str:
    found = ratios([pair], lambda spent: float(getattr(spent, cost)))
    return times(found[0]) if found else cells.NONE


def _seconds(spent: Spent | None) -> str:
    return _small(spent.fit if spent else None)


def _milliseconds(spent: Spent | None) -> str:
    return _small(1000 * spent.predict if spent else None)


def _small(number: float | None) -> str:
    """A cost, which may be far below 1, to two digits."""
    if number is None:
        return cells.NONE
    return f"{number:.2g}" if number < 1 else cells.amount(number)


def _plain(one: BreakEven) -> dict[str, Any]:
    return {
        "title": one.title,
        "metric": one.metric,
        "first": one.first,
        "second": one.second,
        "sentence": one.sentence,
        "crossings": [asdict(crossing) for crossing in one.crossings],
        "sizes": [
            {
                **size_plain(pair.size),
                "difference": found.difference if (found := pair.found) else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "p": found.p if found else None,
                "draws": found.draws if found else 0,
                "n": found.items if found else None,
                "first": pair.first and asdict(pair.first),
                "second": pair.second and asdict(pair.second),
                "run_ids": pair.run_ids,
            }
            for pair in one.pairs
        ],
    }


def _ledger(entries: Sequence[Entry]) -> Section:
    columns = (
        outside("task", (e.problem.title for e in entries)),
        outside("backbone", (e.backbone for e in entries)),
        outside("method", (e.method for e in entries)),
        own("cells", (cells.whole(e.cells) for e in entries)),
        own("load s", (_small(e.load) for e in entries)),
        own("extract s", (_small(e.extract) for e in entries)),
        own("tune s", (_small(e.tune) for e in entries)),
        own("fit s", (_small(e.fit) for e in entries)),
        own("predict s", (_small(e.predict) for e in entries)),
        own("members s", (_small(e.members) for e in entries)),
        own("ms per prediction", (_small(e.prediction and 1000 * e.prediction) for e in entries)),
        own("peak MB", (cells.megabytes(e.bytes_peak) for e in entries)),
        own("device MB", (cells.megabytes(e.bytes_peak_device) for e in entries)),
        own("energy J", (_small(e.energy_joules) for e in entries)),
        own("backbone M", (cells.millions(e.parameters) for e in entries)),
        own("trainable M", (cells.millions(e.trainable_parameters) for e in entries)),
        own("shipped MB", (cells.megabytes(e.bytes_shipped) for e in entries)),
        outside("records", (cells.runs(e.run_ids) for e in entries)),
    )
    spare = {"members s", "device MB", "energy J", "trainable M", "shipped MB"}
    shown = tuple(c for c in columns if not (c.empty and c.head in spare))
    return Section(
        "What cells cost", ENERGY if any(c.head == "energy J" for c in shown) else "", shown
    )


BUDGET = (
    "Best validation score after so many trials, in the order in which points of the search space"
    " were tried: mean over draws, in brackets the least and the most of single draws (a draw's"
    " seeds averaged). Test: over the draws whose choice so far is the setting that was fitted in"
    " the end; no other setting was ever tested, and a dash says that there was none. Where these"
    " are not all draws, they are no fair sample of them. An entrant whose search space is smaller"
    " than the budget ends earlier."
)
BREAK_EVEN = (
    "Differences: second minus first, paired by draw and test item; shown: p below 5 % at this"
    " size alone, not adjusted for the number of sizes. The crossing is interpolated on log labels"
    " between the two sizes where the estimate changes its sign; it has no interval of its own."
    " Costs: mean seconds of the second by those of the first, over the cells of a size; cached"
    " extraction is charged to both at what it cost when it was computed, that of labelled items"
    " to the fit and that of a test item to a prediction; members and teachers count as fit,"
    " and what they add to a prediction is not counted."
)
CHANGED_INPUTS = (
    "Scores on test inputs as they are, and under each change; rows are in the order of the clean"
    " ones."
)
LEDGER = (
    "Means over an entrant's cells that succeeded, without controls. Extract: with what cached"
    " features had cost. A prediction: the predict phase and the extraction of its item, for one"
    " test item. Members: all that the cells an entrant builds on had cost; what they add to"
    " a prediction is not in its milliseconds. Peaks are the largest of a cell."
)
ENERGY = (
    "Energy: what the whole board drew in a cell's phases, by its own counter and whoever else used"
    " it; what cached features and members had cost is not in it. Shown where every cell of an"
    " entrant has it: a GPU with a counter, and 5 s or more."
)
