"""Choosing hyper-parameters on validation data: the runner's work, the same for every method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import CellError, DivergedError, NotApplicableError
from bench.core.identity import derive_seed
from bench.core.method import (
    Context,
    Fitted,
    Job,
    ManyMethod,
    Method,
    Scalar,
    Transcribes,
)
from bench.core.predictions import ClassPredictions, Outcome, TextPredictions
from bench.core.record import Trial
from bench.core.scoring import main_score
from bench.core.task import RareRule, Split
from bench.measure import Clock, wall

FOLDS = 4
CROSS_VALIDATE_BELOW = 16
"""Labels of the smallest class under which one hold-out would be too few items to choose by."""
SMALL = 1000
"""Items up to which cross-validation is affordable; above, one fold of the same division is held
out."""
RARE = 3
"""Classes with fewer items are kept out of validation (where the task's rule allows it)."""


@dataclass(frozen=True, slots=True)
class Division:
    """How the labelled items are divided for tuning: (train, validation) index pairs."""

    pairs: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    label: str
    rare: dict[int, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen point, every trial, and the validation predictions of the chosen one."""

    parameters: dict[str, Scalar]
    trials: tuple[Trial, ...]
    label: str
    rare: dict[int, int]
    validation: ClassPredictions | None = None
    indices: NDArray[np.int64] | None = None  # positions in the labelled split


def divide(labelled: Split, extra: int, rare_rule: RareRule, draw: int) -> Division:
    """Divide the labelled items; the last `extra` of them are for validation alone.

    Few labels a class: cross-validation inside them.  Many: one fold is held out.
    Groups are not torn apart: extra items of a group that is learned from are left out, and so is
    an item of a rare class from a fold that holds out its group.  A class with one label, or one
    group, leaves nothing to choose by.
    """
    n = len(labelled) - extra
    if extra:
        return _beyond(labelled, n)
    if rare_rule is RareRule.NO_CLASSES:
        return _unbalanced(labelled, draw)
    counts = np.bincount(labelled.targets)
    rare: dict[int, int] = {}
    if rare_rule is RareRule.TRAIN_ONLY:
        rare = {int(c): int(m) for c, m in enumerate(counts) if 0 < m < RARE}
    common = np.flatnonzero(~np.isin(labelled.targets, list(rare)))
    smallest = min((m for c, m in enumerate(counts.tolist()) if m and c not in rare), default=0)
    apart = FOLDS if labelled.groups is None else len(np.unique(labelled.groups[common]))
    folds = min(FOLDS, smallest, apart)
    if folds < 2:
        return Division((), f"none: {_too_few(smallest)}", rare)
    always = np.setdiff1d(np.arange(n), common)
    pairs = tuple(
        (np.concatenate([common[train], _apart(labelled, always, common[held])]), common[held])
        for train, held in _folds(labelled, common, folds, draw)
    )
    if smallest < CROSS_VALIDATE_BELOW and n < SMALL:
        return Division(pairs, f"{folds}-fold", rare)
    return Division(pairs[:1], f"1 of {folds} folds held out", rare)


def _beyond(labelled: Split, n: int) -> Division:
    """The first `n` items to learn from, and those after them to choose by."""
    held = _apart(labelled, np.arange(n, len(labelled)), np.arange(n))
    if not len(held):
        return Division((), "none: no group of the items beyond the labelled ones is new", {})
    return Division(((np.arange(n), held),), f"{len(held)} items beyond the labelled ones", {})


def _apart(
    labelled: Split, items: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of `items` `(m,)` that share no group with `others`."""
    if labelled.groups is None:
        return items
    return items[~np.isin(labelled.groups[items], labelled.groups[others])]


def _too_few(smallest: int) -> str:
    if smallest == 0:
        return f"every class has fewer than {RARE} labels"
    return "a class has one label" if smallest == 1 else "all labels are in one group"


def _unbalanced(labelled: Split, draw: int) -> Division:
    """The same division of items that have no classes: as if all were of one."""
    n = len(labelled)
    apart = n if labelled.groups is None else len(np.unique(labelled.groups))
    folds = min(FOLDS, apart)
    if folds < 2:
        return Division((), "none: nothing to hold out", {})
    alike = Split(labelled.inputs, np.zeros(n, dtype=np.int64), labelled.groups)
    pairs = tuple(_folds(alike, np.arange(n), folds, draw))
    if n < CROSS_VALIDATE_BELOW:
        return Division(pairs, f"{folds}-fold", {})
    return Division(pairs[:1], f"1 of {folds} folds held out", {})


def choose(
    method: Method,
    points: list[dict[str, Scalar]],
    labelled: Split,
    division: Division,
    context: Context,
    metric: str,
    clock: Clock = wall,
    *,
    always: bool = False,
) -> Choice:
    """Try each point on the division; the best is chosen, the earliest of equals.

    One point alone is tried only `always`: for its predictions of held-out items.  Where none of
    the points can be tried on the division (it builds on cells that held the same items out), the
    first is taken, and why is said.

    Points that the method fits cheaper in company are fitted as one batch.  The seconds of such
    a trial are its share of the batch (all shares are equal) and what its own predictions took.

    Raises:
        CellError: if every trial failed (the last one's error).
    """
    nothing = len(points) == 1 and not always
    if nothing or not division.pairs:
        reason = "none: one point to try" if nothing else division.label
        return Choice(points[0], (), reason, division.rare)
    held = np.concatenate([pair[1] for pair in division.pairs])
    folds = [(labelled.take(train), labelled.take(held)) for train, held in division.pairs]
    together = _together(method, points, folds, context, clock)
    trials: list[Trial] = []
    best: tuple[float, int, Outcome] | None = None
    failure: CellError | None = None
    for number, point in enumerate(points):
        fits = together.get(number) or _Fits(_one_by_one(method, point, folds, context), 0.0)
        start = clock() - fits.seconds
        try:
            found = _out_of_fold(fits.answers, folds, context)
            score = main_score(metric, found, labelled.targets[held], context.class_names)
        except CellError as error:
            failure = error
            trials.append(
                Trial(parameters=point, score=None, seconds=clock() - start, failure=str(error))
            )
            continue
        trials.append(Trial(parameters=point, score=score, seconds=clock() - start))
        if best is None or score > best[0]:
            best = score, number, found
    if best is None and isinstance(failure, NotApplicableError):
        return Choice(points[0], tuple(trials), f"none: {failure}", division.rare)
    if best is None:
        raise failure or DivergedError("no trial was possible")
    told = best[2] if isinstance(best[2], ClassPredictions) else None
    return Choice(points[best[1]], tuple(trials), division.label, division.rare, told, held)


Folds = list[tuple[Split, Split]]
"""(train, validation); made once, so that what shares a fold can be told by identity."""


@dataclass(frozen=True, slots=True)
class _Fits:
    """The fits of one point, one a fold, and the seconds they took before they are asked for."""

    answers: Iterable[Fitted | CellError]
    seconds: float


def _together(
    method: Method, points: list[dict[str, Scalar]], folds: Folds, context: Context, clock: Clock
) -> dict[int, _Fits]:
    """Fits of the points that gain by company, by the number of the point."""
    if not isinstance(method, ManyMethod):
        return {}
    numbers = [number for number, point in enumerate(points) if method.batches(point)]
    if not numbers:
        return {}
    jobs = [Job(points[number], *fold) for number in numbers for fold in folds]
    start = clock()
    answers = method.fit_many(jobs, context)
    share = (clock() - start) / len(numbers)
    return {
        number: _Fits(answers[i * len(folds) : (i + 1) * len(folds)], share)
        for i, number in enumerate(numbers)
    }


def _one_by_one(
    method: Method, point: dict[str, Scalar], folds: Folds, context: Context
) -> Iterator[Fitted]:
    for train, validation in folds:
        yield method.fit(point, train, validation, context)


def _out_of_fold(fits: Iterable[Fitted | CellError], folds: Folds, context: Context) -> Outcome:
    """Predictions of every held-out item by a fit that did not see it.

    Raises:
        CellError: if a fit failed.
    """
    parts: list[NDArray[np.float32]] = []
    texts: list[str] = []
    for fitted, (_, validation) in zip(fits, folds, strict=True):
        if isinstance(fitted, CellError):
            raise fitted
        if isinstance(fitted, Transcribes):
            texts += fitted.transcribe(validation.inputs).texts
            continue
        predictions = fitted.predict(validation.inputs)
        predictions.check(len(validation), context.classes)
        parts.append(predictions.probabilities)
    return ClassPredictions(np.concatenate(parts)) if parts else TextPredictions(tuple(texts))


def _folds(
    labelled: Split, common: NDArray[np.int64], folds: int, draw: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    targets = labelled.targets[common]
    seed = derive_seed("folds", draw)
    if labelled.groups is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        return list(splitter.split(common, targets))
    grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(grouped.split(common, targets, labelled.groups[common]))
