"""Controls: cells that must behave in a known way, and whether they did."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from bench.core.backbone import Weights
from bench.core.suite import Control
from bench.tables.entrants import Entrant, paired
from bench.tables.problem import Problem


class Verdict(StrEnum):
    """What a control showed; capitals mean that something is wrong."""

    OK = "ok"  # shuffled labels: a kappa of 0 lies in the interval
    VIOLATED = "VIOLATED"  # shuffled labels: it does not; labels leak
    ONE_DRAW = "undecided: one draw"  # one shuffle may agree with the truth by chance
    LOSES = "loses"  # random weights: shown to be worse than the pretrained twin
    TIES = "ties"  # no difference is shown
    WINS = "WINS"  # random weights: shown to be better
    DIFFERS = "DIFFERS"  # a method differs from itself
    NO_TWIN = "no counterpart"  # nothing to compare with is in the store
    FAILED = "failed"  # the control gave no result


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One control row, judged.

    `value` is kappa for shuffled labels, and else the control's main metric minus its
    counterpart's, over the draws that both have. `uniform`, `majority` and `matched` are
    the chance levels of accuracy (bench.core.metrics.Chance), means over draws.
    """

    control: str
    problem: Problem
    backbone: str
    method: str
    verdict: Verdict
    statistic: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    draws: int = 0
    items: int = 0
    accuracy: float | None = None
    uniform: float | None = None
    majority: float | None = None
    matched: float | None = None
    run_ids: tuple[str, ...] = ()


def checks(entrants: Sequence[Entrant]) -> list[Check]:
    """Judge every control among the entrants of one problem."""
    plain = [e for e in entrants if e.group.control is None]
    judge: dict[str, Callable[[Entrant, Sequence[Entrant]], Check]] = {
        Control.SHUFFLED_LABELS: _shuffled,
        Control.RANDOM_WEIGHTS: _random_weights,
        Control.SELF: _self,
    }
    controls = [e for e in entrants if e.group.control in judge]
    found = [judge[e.group.control or ""](e, plain) for e in controls]
    return sorted(found, key=lambda c: (c.control, c.backbone, c.method))


def _shuffled(entrant: Entrant, plain: Sequence[Entrant]) -> Check:
    """Kappa must be 0 within noise: chance is not simply 1/k nor the majority's share.

    With one draw the interval is over test items alone, while a shuffle may by chance
    agree with the truth on all of them: it is then called violated only when it keeps
    more than half of the kappa that the true labels give.
    """
    kappa = entrant.estimate("kappa")
    if kappa is None:
        return _check(entrant, Verdict.FAILED, "kappa")
    verdict = Verdict.OK
    if not kappa.low <= 0 <= kappa.high:
        verdict = Verdict.VIOLATED
        if kappa.draws == 1:
            twin = _counterpart(entrant, plain)
            true_kappa = twin.estimate("kappa") if twin else None
            leaks = true_kappa is not None and kappa.low > true_kappa.mean / 2
            verdict = Verdict.VIOLATED if leaks else Verdict.ONE_DRAW
    done = entrant.group.succeeded
    levels = {
        name: fmean(record.chance[name] for record in done)
        for name in ("uniform", "majority", "matched")
        if all(name in record.chance for record in done)
    }
    hits = [record.metrics["accuracy"] for record in done if "accuracy" in record.metrics]
    return _check(
        entrant,
        verdict,
        "kappa",
        value=kappa.mean,
        low=kappa.low,
        high=kappa.high,
        draws=kappa.draws,
        items=kappa.items,
        accuracy=fmean(hits) if hits else None,
        **levels,
    )


def _random_weights(entrant: Entrant, plain: Sequence[Entrant]) -> Check:
    twin = _counterpart(entrant, plain)
    return _paired(entrant, twin, worse=Verdict.LOSES, better=Verdict.WINS)


def _self(entrant: Entrant, plain: Sequence[Entrant]) -> Check:
    twin = _counterpart(entrant, plain)
    return _paired(entrant, twin, worse=Verdict.DIFFERS, better=Verdict.DIFFERS)


def _paired(entrant: Entrant, twin: Entrant | None, worse: Verdict, better: Verdict) -> Check:
    statistic = f"difference in {entrant.group.problem.metric}"
    if not entrant.draws:
        return _check(entrant, Verdict.FAILED, statistic)
    found = paired(entrant, twin) if twin is not None else None
    if found is None:
        return _check(entrant, Verdict.NO_TWIN, statistic)
    verdict = Verdict.TIES
    if found.significant:
        verdict = worse if found.difference < 0 else better
    return _check(
        entrant,
        verdict,
        statistic,
        value=found.difference,
        low=found.low,
        high=found.high,
        p=found.p,
        draws=found.draws,
        items=found.items,
    )


def _counterpart(entrant: Entrant, plain: Sequence[Entrant]) -> Entrant | None:
    """The row that a control is a control of: by configuration, or else by its labels."""
    group = entrant.group
    wanted = _without_control(group.configuration, pretrained=True)
    labels = (_pretrained_label(group.backbone), group.method)
    peers = [e for e in plain if e.draws]
    same = [e for e in peers if _without_control(e.group.configuration) == wanted]
    named = [e for e in peers if (e.group.backbone, e.group.method) == labels]
    return next(iter(same + named), None)


def _without_control(configuration: str, *, pretrained: bool = False) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(configuration)
    random = plain.get("control") == Control.RANDOM_WEIGHTS
    plain["control"] = None
    if pretrained and random and isinstance(plain.get("backbone"), dict):
        plain["backbone"]["weights"] = Weights.PRETRAINED.value
    return plain


def _pretrained_label(label: str) -> str:
    """A backbone's label (bench.core.cell.label_of) without its `weights=random`."""
    return label.replace(", weights=random", "").replace("(weights=random)", "")


def _check(entrant: Entrant, verdict: Verdict, statistic: str, **found: Any) -> Check:
    group = entrant.group
    return Check(
        control=group.control or "",
        problem=group.problem,
        backbone=group.backbone,
        method=group.method,
        verdict=verdict,
        statistic=statistic,
        run_ids=tuple(record.run_id for record in group.records),
        **found,
    )
