"""Break-even: two entrants along a curve, from how many labels on one is better, and its price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.core.errors import UserError, did_you_mean
from bench.stats import TOLERANCE, Comparison
from bench.store import Store
from bench.tables.crossing import Crossing, Point, crossings, verdict
from bench.tables.curves import Groups, Size, ladders
from bench.tables.entrants import Group, check_same_items, load, paired
from bench.tables.ledger import Spent, spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Both at one size: `found` is the second minus the first, None without a draw of both.

    `first` and `second` are the mean costs of their cells, None where not recorded.
    """

    size: Size
    found: Comparison | None
    first: Spent | None
    second: Spent | None
    run_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Two entrants on one task: the pairs, where they cross, and all of it in a sentence."""

    title: str
    metric: str
    first: str
    second: str
    pairs: tuple[Pair, ...]
    crossings: tuple[Crossing, ...]
    sentence: str


def break_even(store: Store, by_problem: Groups, first: str, second: str) -> list[BreakEven]:
    """Compare two entrants on each task that has a curve with both of them.

    Args:
        store: where their predictions lie.
        by_problem: the records, by problem and row.
        first: a method's label, or "backbone / method".
        second: the same; differences are its score minus that of the first.

    Raises:
        UserError: if a name is of no entrant, of several, or no task has a curve of both.
        StoreError: if predictions are missing or damaged.
    """
    known = _names(group for groups in by_problem.values() for group in groups)
    for name in (first, second):
        if name not in known:
            raise UserError(f"no entrant is named {name!r}{did_you_mean(name, known)}")
    found = []
    for title, sizes in ladders(by_problem).items():
        groups = [group for size in sizes for group in by_problem[size.problem]]
        one, other = _find(title, groups, first), _find(title, groups, second)
        if one is None or other is None:
            continue
        if one == other:
            raise UserError(f"{first!r} and {second!r} are one entrant: two are to be compared")
        pairs = [_pair(store, size, by_problem[size.problem], one, other) for size in sizes]
        found.append(_told(title, first, second, pairs))
    if not found:
        raise UserError(
            f"no task has {first!r} and {second!r} at several sizes; "
            "a suite asks for them with train = { per_class = [4, 8, 16] }"
        )
    return found


def _names(groups: Iterable[Group]) -> set[str]:
    plain = [group for group in groups if group.control is None]
    return {name for group in plain for name in (group.method, _full(group))}


def _full(group: Group) -> str:
    return f"{group.backbone} / {group.method}"


def _find(title: str, groups: Iterable[Group], name: str) -> tuple[str, str] | None:
    """Backbone and method of the entrant so named among those of a task; None: it has no part.

    Raises:
        UserError: if several are.
    """
    found = {
        _full(group): (group.backbone, group.method)
        for group in groups
        if group.control is None and name in {group.method, _full(group)}
    }
    if len(found) > 1:
        several = ", ".join(map(repr, sorted(found)))
        raise UserError(f"{name!r} is several entrants of {title}: say which of {several}")
    return next(iter(found.values()), None)


def _pair(
    store: Store,
    size: Size,
    groups: Sequence[Group],
    first: tuple[str, str],
    second: tuple[str, str],
) -> Pair:
    at = {(g.backbone, g.method): g for g in groups if g.control is None}
    there = [load(store, at[name]) for name in (first, second) if name in at]
    check_same_items(there)
    return Pair(
        size=size,
        found=paired(there[1], there[0]) if len(there) == 2 else None,
        first=_mean(at.get(first)),
        second=_mean(at.get(second)),
        run_ids=tuple(r.run_id for entrant in there for r in entrant.group.succeeded),
    )


def _mean(group: Group | None) -> Spent | None:
    known = [each for each in map(spent, group.succeeded if group else ()) if each is not None]
    if not known:
        return None
    return Spent(
        fit=fmean(each.fit for each in known),
        tune_and_fit=fmean(each.tune_and_fit for each in known),
        predict=fmean(each.predict for each in known),
    )


def _told(title: str, first: str, second: str, pairs: Sequence[Pair]) -> BreakEven:
    points = [
        Point(
            labels=pair.size.labels,
            words=_words(pair.size),
            difference=pair.found.difference,
            shown=pair.found.significant,
        )
        for pair in pairs
        if pair.found is not None and pair.size.labels
    ]
    said = verdict(first, second, points)
    return BreakEven(
        title=title,
        metric=pairs[0].size.problem.metric,
        first=first,
        second=second,
        pairs=tuple(pairs),
        crossings=tuple(crossings(points)),
        sentence=f"{said}; {_price(second, pairs)}",
    )


def _words(size: Size) -> str:
    return "all" if size.per_class is None else f"{size.per_class:,}"


def _price(second: str, pairs: Iterable[Pair]) -> str:
    """What the second costs, in times of what the first does: the least and the most of a size."""
    fit = _times(ratios(pairs, lambda spent: spent.fit))
    tuned = _times(ratios(pairs, lambda spent: spent.tune_and_fit))
    each = ratios(pairs, lambda spent: spent.predict)
    if not fit:
        return "what they cost is not recorded"
    if each and max(abs(ratio - 1) for ratio in each) <= TOLERANCE:
        prediction = "nothing more per prediction"
    else:
        prediction = f"{_times(each) or 'an unknown amount'} per prediction"
    return f"{second} costs {fit} per fit ({tuned} with tuning) and {prediction}"


def ratios(pairs: Iterable[Pair], cost: Callable[[Spent], float]) -> list[float]:
    """The second's cost by the first's, at each size where both are known."""
    return [
        cost(pair.second) / cost(pair.first)
        for pair in pairs
        if pair.first is not None and pair.second is not None and cost(pair.first) > 0
    ]


def _times(found: Sequence[float]) -> str:
    if not found:
        return ""
    low, high = times(min(found)), times(max(found))
    return low if low == high else f"{low} to {high}"


def times(ratio: float) -> str:
    """`40x`, to two digits."""
    digits = 0 if ratio >= 10 else 1 if ratio >= 1 else 2
    return f"{ratio:,.{digits}f}x"
