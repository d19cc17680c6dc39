"""What entrants compete in: one task's data, under one rule for its training labels."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bench.core.cell import REPEATS
from bench.core.identity import canonical_json
from bench.core.record import Record

_PROBLEM = ("data", "train", "test_size", "main_metric")

CHANGED = ("test_on", "condition")
"""Of problems whose test items are another task's, or under a condition; others have none."""

APART = REPEATS.union(_PROBLEM, CHANGED)
"""Parts of the identity that are not an entrant's: its problem's, and those of its repeats."""


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
    for name in CHANGED:  # what most records do not have leaves no trace in keys
        if name in record.identity:
            parts[name] = record.identity[name]
    return _problem(canonical_json([record.task, record.modality, parts]), record.main_metric)


@lru_cache(maxsize=1024)  # thousands of records have one
def _problem(deciding: str, metric: str) -> Problem:
    """From the canonical JSON of all that decides it, and the metric where that names none."""
    task, modality, parts = json.loads(deciding)
    elsewhere = parts.get("test_on")
    words = (
        _train_words(parts["train"], parts["test_size"]),
        f"tested on {elsewhere}" if elsewhere else None,
        parts.get("condition"),
    )
    return Problem(
        task=task,
        train=", ".join(filter(None, words)),
        modality=modality,
        metric=str(parts["main_metric"] or metric),
        key=hashlib.sha256(deciding.encode("ascii")).hexdigest(),
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
