"""What entrants compete in: one task's data, under one rule for its training labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.core.identity import canonical_json, digest
from bench.core.record import Record

_PROBLEM = ("data", "train", "test_size", "main_metric")
_REPEATS = ("draw", "seed")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Records of one problem have the same test items, and only they are ranked together.

    `train` says in words what was labelled; `key` is the digest of all that decides the problem.
    """

    task: str
    train: str
    modality: str
    metric: str
    key: str

    @property
    def title(self) -> str:
        return f"{self.task} ({self.train})"


def problem_of(record: Record) -> Problem:
    """The problem a record belongs to."""
    parts = {name: record.identity.get(name) for name in _PROBLEM}
    return Problem(
        task=record.task,
        train=_train_words(parts["train"], parts["test_size"]),
        modality=record.modality,
        metric=str(parts["main_metric"] or record.main_metric),
        key=digest([record.task, record.modality, parts]),
    )


def configuration_of(record: Record) -> str:
    """All that makes an entrant, the problem and its repeats apart, as canonical JSON."""
    return canonical_json(
        {key: v for key, v in record.identity.items() if key not in {*_PROBLEM, *_REPEATS}}
    )


def told_apart(problems: Iterable[Problem]) -> dict[Problem, Problem]:
    """Each problem with a title that no other one has (two versions of the data, say)."""
    known = set(problems)
    titles = Counter(problem.title for problem in known)
    return {
        problem: problem
        if titles[problem.title] == 1
        else replace(problem, train=f"{problem.train}; data {problem.key[:8]}")
        for problem in known
    }


def _train_words(rule: Any, test_size: Any) -> str:
    given: Mapping[str, Any] = rule if isinstance(rule, Mapping) else {}
    if given.get("per_class") is not None:
        words = f"{given['per_class']:,} per class"
    elif given.get("size") is not None:
        words = f"{given['size']:,} training items"
    else:
        words = "all training items"
    if given.get("sampling") not in {None, "random"}:
        words += f", {given['sampling']} draws"
    if given.get("validation_extra"):
        words += f", {given['validation_extra']:,} more to choose on"
    return words if test_size is None else f"{words}, {test_size:,} test items"
