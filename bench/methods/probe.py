"""Linear probe: logistic regression on frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import CellError
from bench.core.method import (
    Context,
    Fitted,
    Job,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
)
from bench.core.task import Split
from bench.methods._logistic import Problem, solve
from bench.methods._threads import few_threads
from bench.methods.heads import (
    Arrays,
    Head,
    Learnable,
    Scaling,
    constant,
    learnable,
    linear,
    restored,
    scaling_parameter,
)

TOLERANCE = 1e-4  # scikit-learn's default

SPEC = MethodSpec(
    name="probe",
    version=1,
    summary="frozen features + logistic regression, its strength chosen on validation",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("C", 10.0, "inverse strength of the L2 penalty", low=1e-6, high=1e6),
        scaling_parameter(Scaling.NONE),
        Parameter("max_iter", 1000, "iterations of L-BFGS at most", low=1),
        Parameter(
            "tolerance", TOLERANCE, "largest entry of the mean gradient to stop at", low=1e-12
        ),
        Parameter(
            "solver",
            "sklearn",
            "one fit after another by scikit-learn (what published numbers used), or many at once",
            choices=("sklearn", "batched"),
        ),
    ),
    # Embeddings of unit length want a weak penalty, wide unscaled features a strong one;
    # standardising helps some backbones and costs others several points, so it is a choice.
    search_space=(
        {},
        {"C": 1.0},
        {"C": 100.0},
        {"C": 0.01, "scaling": "standard"},
        {"C": 0.1},
        {"C": 1.0, "scaling": "standard"},
        {"C": 1000.0},
        {"C": 0.01},
    ),
    reference="Alain & Bengio 2016, arXiv:1610.01644",
)


@dataclass(frozen=True, slots=True)
class Probe:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self,
        state: Arrays,
        parameters: Parameters,  # noqa: ARG002 -- all that they decided is in the arrays
        context: Context,
    ) -> Fitted:
        return restored(state, context, linear)

    def fit(
        self, parameters: Parameters, train: Split, validation: Split | None, context: Context
    ) -> Fitted:
        (answer,) = self.fit_many([Job(parameters, train, validation)], context)
        if isinstance(answer, CellError):
            raise answer
        return answer

    def batches(self, parameters: Parameters) -> bool:
        return parameters["solver"] == "batched"

    def fit_many(self, jobs: Sequence[Job], context: Context) -> list[Fitted | CellError]:
        answers: dict[int, Fitted | CellError] = {}
        waiting: dict[tuple[float, int], dict[int, Learnable]] = {}
        for number, (job, data) in enumerate(zip(jobs, _learnables(jobs, context), strict=True)):
            if isinstance(data, CellError):
                answers[number] = data
            elif len(data.seen) == 1:
                answers[number] = Head(context, data.scale, constant(data.seen), data.seen)
            elif self.batches(job.parameters):
                limits = float(job.parameters["tolerance"]), int(job.parameters["max_iter"])
                waiting.setdefault(limits, {})[number] = data
            else:
                answers[number] = _by_scikit_learn(job.parameters, data, context)
        for (tolerance, max_iter), group in waiting.items():
            problems = [
                Problem(data.features, data.targets, float(jobs[number].parameters["C"]))
                for number, data in group.items()
            ]
            found = solve(problems, tolerance=tolerance, max_iter=max_iter, device=context.device)
            for (number, data), solution in zip(group.items(), found, strict=True):
                arrays = {"weights": solution.weights, "biases": solution.intercepts}
                answers[number] = Head(
                    context, data.scale, solution.probabilities, data.seen, arrays
                )
        return [answers[number] for number in range(len(jobs))]


def _learnables(jobs: Sequence[Job], context: Context) -> list[Learnable | CellError]:
    """One a job; jobs of the same split and scaling share theirs, and with it the solver's work."""
    made: dict[tuple[int, object], Learnable | CellError] = {}
    keys = [(id(job.train), job.parameters["scaling"]) for job in jobs]
    for key, job in zip(keys, jobs, strict=True):
        if key not in made:
            try:
                made[key] = learnable(job.train, context, job.parameters["scaling"])
            except CellError as error:
                made[key] = error
    return [made[key] for key in keys]


def _by_scikit_learn(parameters: Parameters, data: Learnable, context: Context) -> Head:
    model = logistic(parameters["C"], parameters["max_iter"], context.seed, parameters["tolerance"])
    fit_quietly(model, data.features, data.targets)
    arrays = {"weights": model.coef_, "biases": model.intercept_}
    return Head(context, data.scale, model.predict_proba, data.seen, arrays)


def logistic(strength: object, max_iter: object, seed: int, tolerance: object = TOLERANCE) -> Any:
    """scikit-learn's logistic regression with its other defaults (L2, L-BFGS, intercept)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=max_iter, random_state=seed, tol=tolerance)


def fit_quietly(model: Any, features: Any, targets: NDArray[np.int64]) -> None:
    """Fit, `features` dense or sparse; reaching `max_iter` is a declared parameter, not a surprise
    to warn about."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), few_threads(features.size * len(np.unique(targets))):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, targets)


METHODS: tuple[Method, ...] = (Probe(),)
