"""Rows of the baseline with their rows of the candidate, and what forbids comparing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bench.core.grouping import configuration_of, in_order, labels_of, mark
from bench.core.identity import canonical_json
from bench.core.record import Record, Status

Labels: TypeAlias = tuple[str, str, str, str]
Cells: TypeAlias = Mapping[tuple[int, int], Record]

COMPARABLE = {
    "protocol": "the protocol",
    "data": "the data fingerprint",
    "train": "the training rule",
    "test_size": "the test size",
    "condition": "the condition of the test inputs",
    "precision": "the precision",
    "trials": "the number of tuning trials",
}
"""Parts of the identity that make a score another quantity where they change.

The rest (the backbone's and the method's version and settings) is what a change is made of:
under the same label it is compared, and said.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Couple:
    """One row on both sides.

    `cells` are the records `(baseline, candidate)` of each draw and seed that succeeded on
    both; `blocked` says why the row cannot be judged, and is empty where it can; `missing`
    and `new` are rows that one side lacks.
    """

    name: str
    labels: Labels
    cells: tuple[tuple[Record, Record], ...] = ()
    blocked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    new: bool = False


def couples(baseline: Iterable[Record], candidate: Iterable[Record]) -> list[Couple]:
    """Match rows by task, backbone, method and control, then by what they share otherwise."""
    before, after = _rows(baseline), _rows(candidate)
    found: list[Couple] = []
    for labels in sorted({*before, *after}):
        ours, theirs = before.get(labels, {}), after.get(labels, {})
        several = max(len(ours), len(theirs)) > 1
        for one, other in _match(list(ours), list(theirs)):
            name = _name(labels, (one or other) if several else "")
            if one is None:
                found.append(Couple(name=name, labels=labels, new=True))
            else:
                cells = theirs[other] if other is not None else {}
                found.append(_couple(name, labels, ours[one], cells))
    return found


def _rows(records: Iterable[Record]) -> dict[Labels, dict[str, Cells]]:
    """Records by labels, by configuration, by draw and seed."""
    found: dict[Labels, dict[str, dict[tuple[int, int], Record]]] = defaultdict(dict)
    for record in in_order(records):
        row = found[record.task, *labels_of(record)].setdefault(configuration_of(record), {})
        row[record.draw, record.seed] = record
    return {labels: dict(rows) for labels, rows in found.items()}


def _match(ours: list[str], theirs: list[str]) -> Iterator[tuple[str | None, str | None]]:
    """Configurations of the same labels: equal ones first, then those that share the most."""
    for one in [configuration for configuration in ours if configuration in theirs]:
        ours.remove(one)
        theirs.remove(one)
        yield one, one
    while ours and theirs:
        nearest = max(
            ((one, other) for one in sorted(ours) for other in sorted(theirs)),
            key=lambda pair: _shared(*pair),
        )
        ours.remove(nearest[0])
        theirs.remove(nearest[1])
        yield nearest
    yield from ((one, None) for one in ours)
    yield from ((None, other) for other in theirs)


def _shared(one: str, other: str) -> int:
    first, second = _identity(one), _identity(other)
    return sum(first.get(key) == second.get(key) for key in {*first, *second})


def _identity(configuration: str) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(configuration)
    return found


def _name(labels: Labels, configuration: str | None) -> str:
    task, backbone, method, control = labels
    name = f"{task} / {backbone} / {method}" + (f" [{control}]" if control else "")
    return f"{name} {mark(configuration)}" if configuration else name


def _couple(name: str, labels: Labels, ours: Cells, theirs: Cells) -> Couple:
    if not theirs:
        return Couple(name=name, labels=labels, blocked=("the candidate has no such row",))
    reasons = [
        *_changed(next(iter(ours.values())), next(iter(theirs.values()))),
        *_unpaired(ours, theirs),
    ]
    cells = tuple(
        (record, theirs[at])
        for at, record in ours.items()
        if at in theirs and {record.status, theirs[at].status} == {Status.OK}
    )
    for pair in cells:
        reasons.extend(reason for reason in _measured(*pair) if reason not in reasons)
    return Couple(
        name=name,
        labels=labels,
        cells=cells,
        blocked=tuple(reasons),
        notes=tuple(_notes(ours, theirs)),
    )


def _changed(before: Record, after: Record) -> Iterator[str]:
    """Whatever of the configuration makes the two scores different quantities."""
    for key, words in COMPARABLE.items():
        one, other = before.identity.get(key), after.identity.get(key)
        if one != other:
            yield f"{words} changed: {_short(one)} -> {_short(other)}"
    if before.main_metric != after.main_metric:
        yield f"the metric changed: {before.main_metric} -> {after.main_metric}"


def _measured(before: Record, after: Record) -> Iterator[str]:
    """Whatever of two runs makes their scores different quantities, the identity apart."""
    one, other = before.provenance, after.provenance
    if one.device != other.device:
        yield f"another kind of device: {one.device} -> {other.device}"
    if one.precision != other.precision and "precision" not in before.identity:
        yield f"{COMPARABLE['precision']} changed: {one.precision} -> {other.precision}"
    if before.data and after.data and before.data.fingerprint != after.data.fingerprint:
        prints = (_short(record.data.fingerprint) for record in (before, after) if record.data)
        yield f"{COMPARABLE['data']} changed: {' -> '.join(prints)}"


def _unpaired(ours: Cells, theirs: Cells) -> Iterator[str]:
    """Cells of the baseline without a score on both sides."""
    for (draw, seed), before in ours.items():
        where = f"draw {draw} seed {seed}"
        after = theirs.get((draw, seed))
        if before.status is not Status.OK:
            yield f"{where} failed in the baseline ({_kind(before)})"
        elif after is None:
            yield f"{where} is missing in the candidate"
        if after is not None and after.status is not Status.OK:
            yield f"{where} failed in the candidate ({_kind(after)})"


def _notes(ours: Cells, theirs: Cells) -> Iterator[str]:
    if extra := len({*theirs} - {*ours}):
        yield f"{extra} more cells in the candidate, not compared"
    before, after = next(iter(ours.values())), next(iter(theirs.values()))
    for key in ("backbone", "method"):
        if before.identity.get(key) != after.identity.get(key):
            yield f"the {key}'s version or settings changed"


def _kind(record: Record) -> str:
    return record.failure.kind if record.failure else "no reason kept"


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else canonical_json(value)
