"""Numbers as a reader wants them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.stats import SHARES, Estimate, Shares
from bench.tables.entrants import BOUNDS
from bench.tables.rows import Gap

NONE = "–"  # noqa: RUF001 -- an en dash: there is no number here
METRIC_WORDS = {
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "word_accuracy": "word accuracy (1 - WER)",
    "char_accuracy": "character accuracy (1 - CER)",
}


def metric_words(metric: str) -> str:
    return METRIC_WORDS.get(metric, metric)


def is_share(metric: str) -> bool:
    """Whether a metric (or each of a mean's) is a share, or one less a rate, written in percent."""
    return all(BOUNDS.get(part) in SHARES for part in metric.split(" / "))


def with_interval(found: Estimate | None, metric: str) -> str:
    """`94.6 [93.1, 96.0]`: percent for shares, three decimals for the rest."""
    if found is None:
        return NONE
    return interval(found.mean, found.low, found.high, metric)


def interval(mean: float, low: float, high: float, metric: str, sign: str = "") -> str:
    """The same from three numbers; `sign` is `+` for a difference."""
    scale, digits = (100, 1) if is_share(metric) else (1, 3)
    first = fixed(scale * mean, digits, sign)
    return f"{first} [{fixed(scale * low, digits)}, {fixed(scale * high, digits)}]"


def behind(gap: Gap | None, metric: str) -> str:
    """`-1.8 [-3.1, -0.5]`: a difference between two rows."""
    if gap is None:
        return NONE
    return interval(gap.difference, gap.low, gap.high, metric, sign="+")


def difference(size: float, metric: str) -> str:
    """`2.1 points`: how large a difference is."""
    return f"{fixed(100 * size, 1)} points" if is_share(metric) else fixed(size, 3)


def fixed(number: float, digits: int, sign: str = "") -> str:
    """A fixed number of decimals; what rounds to zero has no sign, neither of them."""
    rounded = round(number, digits)
    return f"{rounded:{sign},.{digits}f}" if rounded else f"{0:.{digits}f}"


def score(value: float | None, metric: str) -> str:
    """A metric alone, where its interval stands in another table."""
    if value is None:
        return NONE
    return fixed(100 * value, 1) if is_share(metric) else fixed(value, 3)


def parts(found: Shares | None) -> str:
    """`61 / 9 / 26 / 4`: percent of a variance."""
    if found is None:
        return NONE
    return " / ".join(fixed(100 * x, 0) for x in (found.draw, found.seed, found.item, found.rest))


def percent(share: float | None) -> str:
    return NONE if share is None else fixed(100 * share, 1)


def amount(number: float | None) -> str:
    """Seconds or a rate, to about three digits."""
    if number is None:
        return NONE
    return fixed(number, 0 if number >= 100 else 1 if number >= 10 else 2)


def megabytes(count: int | None) -> str:
    return NONE if count is None else fixed(count / 1e6, 0)


def millions(count: int | None) -> str:
    return NONE if count is None else amount(count / 1e6)


def ranks(found: Sequence[int | None]) -> list[str]:
    """Ranks, with an equals sign where several share one."""
    return [whole(rank) + "=" * (rank is not None and found.count(rank) > 1) for rank in found]


def whole(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


def mark(there: bool) -> str:
    return "yes" if there else NONE


def with_range(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    """A number, with its interval where it has one."""
    if value is None:
        return NONE
    if low is None or high is None:
        return fixed(value, digits)
    return f"{fixed(value, digits)} [{fixed(low, digits)}, {fixed(high, digits)}]"


def runs(run_ids: tuple[str, ...], most: int = 3) -> str:
    """The records that a number comes from: their first eight digits."""
    shown = " ".join(run[:8] for run in run_ids[:most])
    return shown if len(run_ids) <= most else f"{shown} +{len(run_ids) - most}"
