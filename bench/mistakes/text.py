"""An analysis for people (tables in Markdown) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.mistakes.analysis import Against, Analysis, Run
from bench.mistakes.inputs import Data
from bench.tables import cells
from bench.tables.columns import Column, Section, outside, own
from bench.tables.markdown import document
from bench.tables.plain import dumps

SCHEMA = 1
"""Of the JSON; raised when a key changes its meaning."""


def as_text(found: Analysis, data: Data, *, show_inputs: bool, top: int) -> str:
    """The tables, `top` rows of each."""
    run = found.run
    tables = [
        _worst(found, data, show_inputs, top),
        _confusions(found, data, top),
        _trust(found, data, top),
    ]
    if found.against is not None:
        tables += [
            _overlap(found.against, run),
            _both(found.against, run, data, show_inputs, top),
        ]
    lines = [
        f"Run {run.record.run_id[:12]} on {run.record.task}: {run.label}. {_counts(run)}",
        LEGEND,
    ]
    return document("Where it goes wrong", lines, [table for table in tables if _rows(table)])


def as_json(found: Analysis, data: Data, *, show_inputs: bool) -> str:
    """Every mistake, pair and class."""
    run, items = found.run, found.run.items
    plain: dict[str, Any] = {
        "schema": SCHEMA,
        **_run_plain(run),
        "class_names": list(data.names) or None,
        "worst": [
            {
                **_item_plain(run, int(i)),
                "probability_of_true": float(items.p_true[i]),
                **({"input": data.shown(int(i))} if show_inputs else {}),
            }
            for i in found.worst
        ],
        "confusions": [asdict(pair) for pair in found.confusions],
        "calibration": [asdict(one) for one in found.trust],
    }
    if found.against is not None:
        plain["against"] = _against_plain(found.against)
    return dumps(plain)


def _counts(run: Run) -> str:
    wrong = int((~run.right).sum())
    share = cells.percent(wrong / len(run.items))
    return f"{wrong:,} of {len(run.items):,} test items are wrong ({share} %)."


def _rows(section: Section) -> int:
    return len(section.columns[0].cells)


def _worst(found: Analysis, data: Data, show_inputs: bool, top: int) -> Section:
    items, shown = found.run.items, [int(i) for i in found.worst[:top]]
    columns = [
        own("item", (str(i) for i in shown)),
        outside("is", (data.name(int(items.true[i])) for i in shown)),
        outside("was taken for", (data.name(int(items.predicted[i])) for i in shown)),
        own("with probability, %", (cells.percent(float(items.p_predicted[i])) for i in shown)),
        own("its own class had, %", (cells.percent(float(items.p_true[i])) for i in shown)),
        *_inputs(shown, data, show_inputs),
    ]
    note = f"{len(shown):,} of {len(found.worst):,} mistakes."
    return Section("The most confident mistakes", note, tuple(columns))


def _inputs(items: Sequence[int], data: Data, show_inputs: bool) -> list[Column]:
    return [outside("input", (data.shown(i) for i in items))] if show_inputs else []


def _confusions(found: Analysis, data: Data, top: int) -> Section:
    pairs = found.confusions[:top]
    return Section(
        "Which classes are confused",
        f"{len(pairs):,} of {len(found.confusions):,} pairs.",
        (
            outside("is", (data.name(pair.true) for pair in pairs)),
            outside("was taken for", (data.name(pair.predicted) for pair in pairs)),
            own("items", (cells.whole(pair.count) for pair in pairs)),
            own("of its class, %", (cells.percent(pair.of_class) for pair in pairs)),
            own("of all mistakes, %", (cells.percent(pair.of_mistakes) for pair in pairs)),
        ),
    )


def _trust(found: Analysis, data: Data, top: int) -> Section:
    shown = found.trust[:top]
    return Section(
        "Calibration by class",
        f"By true class, {len(shown):,} of {len(found.trust):,}: those furthest from their"
        " confidence.",
        (
            outside("class", (data.name(one.group) for one in shown)),
            own("n", (cells.whole(one.items) for one in shown)),
            own("mean confidence, %", (cells.percent(one.confidence) for one in shown)),
            own("accuracy, %", (cells.percent(one.accuracy) for one in shown)),
            own("gap (95 % CI)", (_gap(one.gap, one.low, one.high) for one in shown)),
        ),
    )


def _gap(gap: float, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return cells.fixed(100 * gap, 1, "+")
    return cells.interval(gap, low, high, "accuracy", sign="+")


def _overlap(against: Against, run: Run) -> Section:
    of, found = against.overlap, against.accuracy
    names = ("both right", "this one alone wrong", "the other alone wrong", "both wrong")
    counts = [len(x) for x in (of.both_right, of.only_first, of.only_second, of.both_wrong)]
    gap, low, high = (100 * x for x in (found.difference, found.low, found.high))
    span = f"{cells.fixed(gap, 1, '+')} points"
    span += f" (95 % CI {cells.fixed(low, 1)} to {cells.fixed(high, 1)})"
    return Section(
        "Against another run",
        f"The other: {against.run.record.run_id[:12]}, {against.run.label}."
        f" {_counts(against.run)} Accuracy of this one minus the other's: {span},"
        f" p = {found.p:.2g} (McNemar's exact test, {found.items:,} paired items).",
        (
            own("", names),
            own("items", map(cells.whole, counts)),
            own("%", (cells.percent(count / len(run.items)) for count in counts)),
        ),
    )


def _both(against: Against, run: Run, data: Data, show_inputs: bool, top: int) -> Section:
    both, one, other = against.overlap.both_wrong, run.items, against.run.items
    sure = sorted((int(i) for i in both), key=lambda i: (-_least(i, run, against.run), i))
    shown = sure[:top]
    return Section(
        "What both get wrong",
        f"{len(shown):,} of {len(both):,}, by the smaller of the two probabilities. Items that many"
        " a model gets wrong in the same way are worth a look: their label may be.",
        (
            own("item", (str(i) for i in shown)),
            outside("is", (data.name(int(one.true[i])) for i in shown)),
            outside("this one says", (_said(one, i, data) for i in shown)),
            outside("the other says", (_said(other, i, data) for i in shown)),
            *_inputs(shown, data, show_inputs),
        ),
    )


def _least(item: int, one: Run, other: Run) -> float:
    return min(float(one.items.p_predicted[item]), float(other.items.p_predicted[item]))


def _said(items: Any, item: int, data: Data) -> str:
    share = cells.percent(float(items.p_predicted[item]))
    return f"{data.name(int(items.predicted[item]))} ({share} %)"


def _run_plain(run: Run) -> dict[str, Any]:
    record = run.record
    return {
        "run_id": record.run_id,
        "attempt": record.attempt,
        "task": record.task,
        "backbone": record.backbone,
        "method": record.method,
        "control": record.control,
        "draw": record.draw,
        "seed": record.seed,
        "items": len(run.items),
        "wrong": int((~run.right).sum()),
    }


def _item_plain(run: Run, item: int) -> dict[str, Any]:
    return {
        "item": item,
        "true": int(run.items.true[item]),
        "predicted": int(run.items.predicted[item]),
        "probability": float(run.items.p_predicted[item]),
    }


def _against_plain(against: Against) -> dict[str, Any]:
    of, found = against.overlap, against.accuracy
    return {
        **_run_plain(against.run),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "both_right": len(of.both_right),
        "only_this_wrong": of.only_first.tolist(),
        "only_other_wrong": of.only_second.tolist(),
        "both_wrong": of.both_wrong.tolist(),
    }


LEGEND = (
    "Items are numbered from 0 in the order of the test split. Gap: mean confidence minus"
    " accuracy, in points, above 0 where it is too sure; its interval is over the class's test"
    " items, not adjusted for the number of classes."
)
