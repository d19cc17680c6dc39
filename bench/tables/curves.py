"""Label efficiency: one task at several numbers of labels a class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from bench.core.identity import canonical_json
from bench.core.record import DataReport
from bench.tables.entrants import Group
from bench.tables.problem import CHANGED, Problem
from bench.tables.rows import Row

Groups: TypeAlias = Mapping[Problem, Sequence[Group]]
Rest: TypeAlias = tuple[str, int]
"""What a rule says beside the number of labels: sampling, and labels beyond them."""
_PLAIN: Rest = ("random", 0)
"""Of `train = "full"`, which ends every curve of its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One point of a curve: `per_class` labels, or None where all items are labelled.

    `labels` is how many a class has on average, None where no record tells. `capped` counts
    the classes that had fewer than asked for, beyond those that the task's rule calls rare.
    """

    problem: Problem
    per_class: int | None
    labels: float | None
    capped: int

    @property
    def words(self) -> str:
        return "all" if self.per_class is None else f"{self.per_class:,} per class"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entrant's rows along a curve; None at a size that it has no record of."""

    backbone: str
    method: str
    rows: tuple[Row | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A task's sizes, fewest labels first, and its entrants, the best at the last size first."""

    title: str
    metric: str
    sizes: tuple[Size, ...]
    lines: tuple[Line, ...]


def curves(by_problem: Groups, rows: Iterable[Row]) -> list[Curve]:
    """The curve of each task that has two sizes or more; controls are left out."""
    at: dict[Problem, dict[tuple[str, str], Row]] = defaultdict(dict)
    for row in rows:
        if row.control is None:
            at[row.problem][row.backbone, row.method] = row
    return [_curve(title, sizes, at) for title, sizes in ladders(by_problem).items()]


def ladders(by_problem: Groups) -> dict[str, tuple[Size, ...]]:
    """The sizes of each task that has two or more, by a title that no other one has."""
    numbered: dict[tuple[str, Rest], list[Size]] = defaultdict(list)
    whole: dict[str, dict[Rest, Size]] = defaultdict(dict)
    for problem, groups in by_problem.items():
        key, rule = _apart(problem, groups)
        size = _size(problem, groups, rule.get("per_class"))
        rest = (str(rule.get("sampling") or "random"), int(rule.get("validation_extra") or 0))
        if size.per_class is not None:
            numbered[key, rest].append(size)
        elif rule.get("size") is None:
            whole[key][rest] = size
    found = []
    for (key, rest), sizes in numbered.items():
        last = whole[key].get(rest) or whole[key].get(_PLAIN)
        made = sorted(sizes, key=lambda size: size.per_class or 0) + ([last] if last else [])
        if len(made) > 1:
            found.append((_title(made[0].problem), key, tuple(made)))
    titles = Counter(title for title, _, _ in found)
    return {
        title if titles[title] == 1 else f"{title}; {sizes[0].problem.key[:8]}": sizes
        for title, _, sizes in found
    }


def _apart(problem: Problem, groups: Sequence[Group]) -> tuple[str, dict[str, Any]]:
    """What all sizes of a curve share, and the rule of this one."""
    identity = groups[0].records[0].identity
    same = [problem.task, problem.modality, problem.metric]
    data = [identity.get("data"), identity.get("test_size")]
    changed = [identity[name] for name in CHANGED if name in identity]
    shared = canonical_json([*same, *data, *changed])
    rule = identity.get("train")
    return shared, rule if isinstance(rule, dict) else {}


def _size(problem: Problem, groups: Sequence[Group], per_class: int | None) -> Size:
    records = (record for group in groups if group.control is None for record in group.records)
    known = [record.data for record in records if record.data is not None]
    capped = max((len(_capped(data)) for data in known), default=0)
    labels: float | None = per_class
    if known and (per_class is None or capped):
        labels = fmean(data.labels / data.classes for data in known)
    return Size(problem=problem, per_class=per_class, labels=labels, capped=capped)


def _capped(data: DataReport) -> set[str]:
    return data.capped.keys() - data.rare.keys()


def _title(problem: Problem) -> str:
    """The task, and what its rule says beside the number of labels."""
    more = problem.train.partition(", ")[2]
    return f"{problem.task} ({more})" if more else problem.task


def _curve(
    title: str, sizes: tuple[Size, ...], at: Mapping[Problem, Mapping[tuple[str, str], Row]]
) -> Curve:
    names = dict.fromkeys(name for size in sizes for name in at.get(size.problem, {}))
    lines = [
        Line(
            backbone=backbone,
            method=method,
            rows=tuple(at.get(size.problem, {}).get((backbone, method)) for size in sizes),
        )
        for backbone, method in names
    ]
    lines.sort(key=_order)
    return Curve(title=title, metric=sizes[0].problem.metric, sizes=sizes, lines=tuple(lines))


def _order(line: Line) -> tuple[float, str, str]:
    last = line.rows[-1]
    value = last.value.mean if last is not None and last.value is not None else float("-inf")
    return (-value, line.backbone, line.method)
