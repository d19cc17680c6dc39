"""Distillation: what a student kept of its teacher's advantage over the student's own training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from bench.core.record import Record
from bench.stats import Comparison
from bench.tables.entrants import Entrant, paired
from bench.tables.problem import Problem

STUDENT, OWN = "distill", "finetune"
"""Names of the methods, whatever their labels are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distilled:
    """One student of one teacher on one problem.

    `gained` is the student minus the same backbone fine-tuned on its labels alone, `missed` the
    student minus its teacher, paired on the draws that both have; None where the suite does not
    have the other. `kept` is the share of the teacher's advantage over that fine-tuning which the
    student has, None where the teacher has none. `smaller` and `faster` are the teacher's
    parameters over the student's, and the student's extraction rate over the teacher's.
    """

    problem: Problem
    backbone: str
    method: str
    teacher: str
    gained: Comparison | None
    missed: Comparison | None
    kept: float | None
    smaller: float | None
    faster: float | None
    run_ids: tuple[str, ...]


def distilled(
    entrants: Sequence[Entrant], rates: Mapping[tuple[str, ...], float]
) -> list[Distilled]:
    """Every student of one problem; `rates` are of `bench.tables.costs.rates`."""
    by_run = {record.run_id: e for e in entrants for record in e.group.records}
    found = []
    for student in entrants:
        records = student.group.succeeded
        if student.group.control or not records or _method(records[0]) != STUDENT:
            continue
        ((label, run_id),) = records[0].members.items()
        teacher, own = by_run.get(run_id), _own(entrants, student)
        gained = paired(student, own) if own else None
        missed = paired(student, teacher) if teacher else None
        found.append(
            Distilled(
                problem=student.group.problem,
                backbone=student.group.backbone,
                method=student.group.method,
                teacher=label,
                gained=gained,
                missed=missed,
                kept=_kept(gained, missed),
                smaller=_ratio(_parameters(teacher), _parameters(student)),
                faster=_ratio(_rate(student, rates), _rate(teacher, rates)),
                run_ids=tuple(record.run_id for record in records),
            )
        )
    return found


def _method(record: Record) -> str:
    told: Any = record.identity.get("method")
    return str(told["name"]) if isinstance(told, Mapping) and "name" in told else ""


def _own(entrants: Sequence[Entrant], student: Entrant) -> Entrant | None:
    """The same backbone fine-tuned: with the defaults, if it was with several settings."""
    found = [
        e
        for e in entrants
        if e.group.backbone == student.group.backbone
        and e.group.control is None
        and e.group.succeeded
        and _method(e.group.succeeded[0]) == OWN
    ]
    return min(found, key=lambda e: (len(e.group.method), e.group.method), default=None)


def _kept(gained: Comparison | None, missed: Comparison | None) -> float | None:
    if gained is None or missed is None:
        return None
    advantage = gained.difference - missed.difference  # the teacher minus the own training
    return gained.difference / advantage if advantage > 0 else None


def _parameters(entrant: Entrant | None) -> float | None:
    counts = [r.backbone_parameters for r in entrant.group.succeeded] if entrant else []
    known = [count for count in counts if count]
    return fmean(known) if known else None


def _rate(entrant: Entrant | None, rates: Mapping[tuple[str, ...], float]) -> float | None:
    """Extraction's rate of an entrant's backbone, of whatever method measured it."""
    if entrant is None:
        return None
    group = entrant.group
    known = [
        rate for place, rate in rates.items() if place[:2] == (group.problem.task, group.backbone)
    ]
    return median(known) if known else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None
