"""Several cells of the suite as one: what each of them says of an item is put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import NotApplicableError
from bench.core.method import (
    Context,
    Fitted,
    HeldOut,
    Member,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Scalar,
    Size,
)
from bench.core.predictions import ClassPredictions, Predictions, spread
from bench.core.task import Input, Split
from bench.methods.heads import Arrays, Scale, Scaling, part_of, scaler
from bench.methods.probe import fit_quietly, logistic

LEAST = 1e-6
"""Below it a probability counts as this much: a logarithm must not say infinity."""

SPEC = MethodSpec(
    name="ensemble",
    version=1,
    summary="other cells put together: mean, weights or stacking of probabilities, or all features",
    needs=Needs.MEMBERS,
    members=(2, 64),
    parameters=(
        Parameter(
            "combine",
            "mean",
            "mean of probabilities; weighted, chosen on held-out items; stack, a regression on"
            " them; features, a probe on all members' features side by side",
            choices=("mean", "weighted", "stack", "features"),
        ),
        Parameter("rounds", 50, "members are chosen so often, with repetition (weighted)", low=1),
        Parameter("C", 1.0, "inverse strength of the L2 penalty (stack, features)",
                  low=1e-6, high=1e6),
    ),
    reference="Caruana et al. 2004, doi:10.1145/1015330.1015432; Wolpert 1992,"
    " doi:10.1016/S0893-6080(05)80023-1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Apart:
    """A member that answers for the items of `validation` with what it said before it had seen
    them: what an ensemble must be judged by, as its members have learned from them."""

    inner: Member
    validation: Split

    @property
    def label(self) -> str:
        return self.inner.label

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        if inputs is not self.validation.inputs:
            return self.inner.predict(inputs)
        try:
            held = self.inner.held_out()
        except NotApplicableError:  # never held out: never learned from, so no way round is needed
            return self.inner.predict(inputs)
        rows_at = {int(place): row for row, place in enumerate(held.places)}
        found = [rows_at.get(int(place), -1) for place in places_of(self.validation)]
        known = np.array(found) >= 0
        told = held.predictions.probabilities[np.array(found)[known]]
        if known.all():
            return ClassPredictions(told)
        rows = self.inner.predict(inputs).probabilities.copy()
        rows[known] = told
        return ClassPredictions(rows)

    def held_out(self) -> HeldOut:
        return self.inner.held_out()

    def apart(self, train: Split) -> Member:
        return self.inner.apart(train)

    def features(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        return self.inner.features(inputs)

    def present(self, inputs: Sequence[Input]) -> NDArray[np.bool_]:
        return self.inner.present(inputs)

    def size(self) -> Size | None:
        return self.inner.size()


@dataclass(frozen=True, slots=True)
class Weighted:
    """The weighted mean of the members' probabilities."""

    members: Sequence[Member]
    weights: NDArray[np.float64]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        rows = [member.predict(inputs).probabilities for member in self.members]
        there = np.stack([member.present(inputs) for member in self.members])
        weights = self.weights[:, None] * there
        weights[:, weights.sum(axis=0) == 0] = 1.0  # nobody who counts sees it
        mean = np.einsum("mn,mnk->nk", weights, np.stack(rows).astype(np.float64))
        return ClassPredictions((mean / mean.sum(axis=1, keepdims=True)).astype(np.float32))

    def size(self) -> Size | None:
        return together(Size(0, self.weights.nbytes), self.members)

    def state(self) -> dict[str, NDArray[Any]]:
        """The weights alone: members are cells of their own."""
        return {"mean": self.weights}

    def facts(self) -> dict[str, Scalar]:
        named = zip(self.members, self.weights, strict=True)
        return {f"weight of {member.label}": float(weight) for member, weight in named}


def together(own: Size, members: Sequence[Member]) -> Size | None:
    """With what the members trained and ship; None where one of them does not tell."""
    found = [member.size() for member in members]
    known = [size for size in found if size is not None]
    if len(known) < len(found):
        return None
    return Size(
        own.trained + sum(size.trained for size in known),
        own.shipped + sum(size.shipped for size in known),
    )


@dataclass(frozen=True, slots=True)
class Stacked:
    """Logistic regression on what members say, or on their features."""

    members: Sequence[Member]
    model: Any
    scales: Sequence[Scale]  # of each member's features; empty where probabilities are stacked
    seen: NDArray[np.int64]
    classes: int

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        """Classes that it has learned nothing of, as none of their items was held out, have the
        share that the members give them on average."""
        if self.scales:
            rows: NDArray[Any] = side_by_side(self.members, self.scales, inputs)
            return spread(self.model.predict_proba(rows), self.seen, self.classes)
        told = [member.predict(inputs) for member in self.members]
        found = spread(self.model.predict_proba(said(told)), self.seen, self.classes)
        if len(self.seen) == self.classes:
            return found
        mean = np.mean([one.probabilities.astype(np.float64) for one in told], axis=0)
        mean[:, self.seen] = 0.0
        left = 1.0 - mean.sum(axis=1, keepdims=True)
        return ClassPredictions((mean + left * found.probabilities).astype(np.float32))

    def size(self) -> Size | None:
        """Of features the members' own heads are not needed."""
        count = int(self.model.coef_.size + self.model.intercept_.size)
        own = Size(count, sum(array.nbytes for array in self.state().values()))
        return own if self.scales else together(own, self.members)

    def state(self) -> dict[str, NDArray[Any]]:
        """The regression, and the factors of the members' features where they are what it sees."""
        factors = {f"factor.{at}": s.arrays["factor"] for at, s in enumerate(self.scales)}
        model = {"weights": self.model.coef_, "biases": self.model.intercept_}
        return {"seen": self.seen, **model, **factors}


@dataclass(frozen=True, slots=True)
class Ensemble:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(self, state: Arrays, parameters: Parameters, context: Context) -> Fitted:
        if "mean" in state:
            return Weighted(context.members, state["mean"])
        model = logistic(parameters["C"], 1000, context.seed)
        model.coef_, model.intercept_ = state["weights"], state["biases"]
        model.classes_ = np.arange(len(state["seen"]))
        factors = part_of(state, "factor.")
        scales = [Scale({"factor": factors[str(at)]}) for at in range(len(factors))]
        return Stacked(context.members, model, scales, state["seen"], context.classes)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,
        context: Context,
    ) -> Fitted:
        members, combine = context.members, parameters["combine"]
        if validation is not None:
            members = [Apart(member, validation) for member in members]
        equal = np.full(len(members), 1 / len(members))
        if combine == "mean" or len(np.unique(train.targets)) == 1:
            return Weighted(members, equal)
        if combine == "features":
            scales = [scaler(Scaling.RMS, member.features(train.inputs)) for member in members]
            rows = side_by_side(members, scales, train.inputs)
            return stacked(members, scales, rows, train.targets, parameters, context)
        among = None if validation is None else places_of(train)
        told, targets = held_out(members, among)
        if combine == "weighted":
            return Weighted(members, greedy(told, targets, int(parameters["rounds"])))
        return stacked(members, (), said(told), targets, parameters, context)


def side_by_side(
    members: Sequence[Member], scales: Sequence[Scale], inputs: Sequence[Input]
) -> NDArray[np.float32]:
    """Scaled features of all members `(n, sum of widths)`; what is missing counts as zeros."""
    pairs = zip(members, scales, strict=True)
    return np.concatenate([np.nan_to_num(s(m.features(inputs))) for m, s in pairs], axis=1)


def places_of(split: Split) -> NDArray[np.int64]:
    """Places of its items among the labelled ones.

    Raises:
        ValueError: if it is no split of labelled items.
    """
    if split.places is None:
        raise ValueError("only labelled items have places")
    return split.places


def held_out(
    members: Sequence[Member], among: NDArray[np.int64] | None = None
) -> tuple[list[ClassPredictions], NDArray[np.int64]]:
    """What each member said of the items that all of them had held out, and their targets.

    `among`: no other items than those at these places.

    Raises:
        NotApplicableError: if there are none.
    """
    found = [member.held_out() for member in members]
    common = set.intersection(*(set(held.places.tolist()) for held in found))
    if among is not None:
        common &= set(among.tolist())
    if not common:
        raise NotApplicableError("the members have no held-out items in common")
    rows = []
    for held in found:
        rows_at = {int(place): row for row, place in enumerate(held.places)}
        rows.append([rows_at[place] for place in sorted(common)])
    pairs = zip(found, rows, strict=True)
    told = [ClassPredictions(held.predictions.probabilities[some]) for held, some in pairs]
    return told, found[0].targets[rows[0]]


def greedy(
    told: Sequence[ClassPredictions], targets: NDArray[np.int64], rounds: int
) -> NDArray[np.float64]:
    """Weights `(m,)`: members are added one by one, again and again, each time the one that makes
    the targets most likely (Caruana et al. 2004); the first of equals."""
    of_true = np.stack([one.probabilities[np.arange(len(targets)), targets] for one in told])
    counts = np.zeros(len(told))
    total = np.zeros(len(targets))
    for step in range(1, rounds + 1):
        likely = np.log(np.maximum((total + of_true) / step, LEAST)).sum(axis=1)
        chosen = int(np.argmax(likely))
        counts[chosen] += 1
        total += of_true[chosen]
    return counts / rounds


def said(told: Sequence[Predictions]) -> NDArray[np.float64]:
    """Logarithms of probabilities of all members side by side `(n, m k)`."""
    rows = [np.log(np.maximum(one.probabilities.astype(np.float64), LEAST)) for one in told]
    return np.concatenate(rows, axis=1)


def stacked(
    members: Sequence[Member],
    scales: Sequence[Scale],
    rows: NDArray[Any],
    targets: NDArray[np.int64],
    parameters: Parameters,
    context: Context,
) -> Stacked | Weighted:
    """Logistic regression on `rows` `(n, d)`; where all targets are one class, the plain mean."""
    seen, positions = np.unique(targets, return_inverse=True)
    if len(seen) == 1:
        return Weighted(members, np.full(len(members), 1 / len(members)))
    model = logistic(parameters["C"], 1000, context.seed)
    fit_quietly(model, rows, positions)
    return Stacked(members, model, scales, seen, context.classes)


METHODS: tuple[Method, ...] = (Ensemble(),)
