"""A report in words, and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.core.amounts import counted
from bench.gate.accuracy import Scores
from bench.gate.check import Report, Row, Side
from bench.gate.costs import CounterChange
from bench.gate.verdict import Verdict

SCHEMA = 1
"""Of the JSON; a change of meaning is a new number."""

NOT_JUDGED = "shown, not judged: not interleaved on one machine"

_ORDER = tuple(Verdict)


def render(report: Report) -> str:
    """The report for a person: the worst rows first, then one overall line."""
    family, margin = counted(report.family, "row"), points(report.margin)
    lines = [
        _side("baseline ", report.baseline),
        _side("candidate", report.candidate),
        f"{family} not as in the baseline, judged together (Holm); margin {margin}",
        f"speed is {NOT_JUDGED}",
        "",
    ]
    lines += [
        f"{row.verdict.value:<10} {row.name}: {'; '.join(_words(row, report))}"
        for row in sorted(report.rows, key=lambda row: _ORDER.index(row.verdict))
    ]
    return "\n".join([*lines, "", f"overall: {report.verdict.value}: {_overall(report)}"])


def plain_report(report: Report) -> dict[str, Any]:
    """The report as JSON-able data; `schema` numbers its form. Fractions, not points."""
    return {
        "schema": SCHEMA,
        "verdict": report.verdict.value,
        "summary": _overall(report),
        "accuracy_margin": report.margin,
        "family": report.family,
        "baseline": _plain_side(report.baseline),
        "candidate": _plain_side(report.candidate),
        "rows": [_plain_row(row) for row in report.rows],
    }


def points(size: float) -> str:
    """A size in hundredths of the metric."""
    number = f"{100 * size:.3g}" if size < 0.001 else f"{100 * size:.1f}".removesuffix(".0")
    return f"{number} point{'' if number == '1' else 's'}"


def _side(title: str, side: Side) -> str:
    commits = ", ".join(commit[:7] for commit in side.commits) or "no commit known"
    dirty = " with changes" if side.dirty else ""
    return f"{title} {side.folder}: {counted(side.records, 'record')} ({commits}{dirty})"


def _words(row: Row, report: Report) -> Iterator[str]:
    if row.verdict is Verdict.NEW:
        yield "only in the candidate, judged by nothing"
    yield from row.reasons
    if row.scores:
        yield from _score_words(row, row.scores, report.margin)
    yield from (_counter_words(change) for change in row.counters)
    yield from row.notes
    if row.speed:
        if row.speed.rate_ratio is not None:
            yield f"{row.speed.rate_ratio:.2f}x items/s"
        yield f"{row.speed.seconds_before:.1f} -> {row.speed.seconds_after:.1f} s"


def _score_words(row: Row, scores: Scores, margin: float) -> Iterator[str]:
    found, judged = scores.compared, row.judged
    if found is None or judged is None:
        yield f"{scores.metric} {100 * scores.before:.1f}, every prediction is the same"
        return
    yield (
        f"{scores.metric} {100 * scores.before:.1f} -> {100 * scores.after:.1f},"
        f" {_signed(found.difference)} [{_signed(found.low)}, {_signed(found.high)}],"
        f" p {judged.p_holm:.2g}"
    )
    if judged.p_holm < 0.05 and row.verdict is Verdict.PASS:
        yield "shown, but within the margin"
    yield _power_words(judged.sees, judged.sees_alone, margin)


def _signed(share: float) -> str:
    """In percent; what rounds to zero has no sign."""
    return f"{100 * share:+.1f}" if round(100 * share, 1) else "0.0"


def _power_words(sees: float | None, alone: float | None, margin: float) -> str:
    """What a drop must have to be shown: a pass of a row that sees little says little."""
    if sees is None or sees > 1:
        words = "can show no drop at all among so many rows"
    else:
        words = f"sees {points(sees)} at 80 %"
        if sees > margin:
            words = f"would not see a drop of {points(margin)} ({words})"
    if alone is not None and alone != sees:
        words += f"; alone it would see {points(alone)}"
    return words


def _counter_words(change: CounterChange) -> str:
    return (
        f"counter changed: {change.name} {change.before:.6g} -> {change.after:.6g}"
        f" (draw {change.draw} seed {change.seed})"
    )


def _overall(report: Report) -> str:
    count = Counter(row.verdict for row in report.rows)
    parts = [f"{count[verdict]} {verdict.value}" for verdict in _ORDER if count[verdict]]
    words = f"{counted(len(report.rows), 'row')}: {', '.join(parts)}"
    sizes = [row.judged.sees for row in report.rows if row.judged]
    blind = [size for size in sizes if size is None or size > report.margin]
    if blind:
        known = [size for size in blind if size is not None]
        none = len(known) < len(blind) or max(known) > 1
        least = "no drop at all" if none else points(max(known))
        words += (
            f"; {len(blind)} of the {len(sizes)} that differ would not see a drop of"
            f" {points(report.margin)} (the worst sees {least})"
        )
    return words


def _plain_side(side: Side) -> dict[str, Any]:
    return {
        "folder": side.folder,
        "records": side.records,
        "commits": list(side.commits),
        "dirty": side.dirty,
    }


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        "row": row.name,
        "verdict": row.verdict.value,
        "reasons": list(row.reasons),
        "notes": list(row.notes),
        "accuracy": _plain_scores(row),
        "counters": [
            {
                "name": change.name,
                "draw": change.draw,
                "seed": change.seed,
                "before": change.before,
                "after": change.after,
                "regression": change.regression,
            }
            for change in row.counters
        ],
        "speed": row.speed
        and {
            "judged": False,
            "items_per_second_ratio": row.speed.rate_ratio,
            "seconds_before": row.speed.seconds_before,
            "seconds_after": row.speed.seconds_after,
        },
    }


def _plain_scores(row: Row) -> dict[str, Any] | None:
    scores = row.scores
    if scores is None:
        return None
    plain: dict[str, Any] = {
        "metric": scores.metric,
        "before": scores.before,
        "after": scores.after,
        "draws": scores.draws,
        "items": scores.items,
        "same": scores.compared is None,
    }
    if (found := scores.compared) and row.judged:
        plain |= {
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p": found.p,
            "p_holm": row.judged.p_holm,
            "covers": found.covers.value,
            "sees": row.judged.sees,
            "sees_alone": row.judged.sees_alone,
        }
    return plain
