"""Linear probe: logistic regression on frozen features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.task import Split
from bench.methods.heads import Head, Scaling, constant, learnable, scaling_parameter

SPEC = MethodSpec(
    name="probe",
    version=1,
    summary="frozen features + logistic regression, its strength chosen on validation",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("C", 10.0, "inverse strength of the L2 penalty", low=1e-6, high=1e6),
        scaling_parameter(Scaling.NONE),
        Parameter("max_iter", 1000, "iterations of L-BFGS at most", low=1),
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

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        data = learnable(train, context, parameters["scaling"])
        if len(data.seen) == 1:
            return Head(context, data.scale, constant(data.seen), data.seen)
        model = logistic(parameters["C"], parameters["max_iter"], context.seed)
        fit_quietly(model, data.features, data.targets)
        return Head(context, data.scale, model.predict_proba, data.seen)


def logistic(strength: object, max_iter: object, seed: int) -> Any:
    """scikit-learn's logistic regression with its other defaults (L2, L-BFGS, intercept)."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=max_iter, random_state=seed)


def fit_quietly(model: Any, features: Any, targets: Any) -> None:
    """Fit; reaching `max_iter` is a declared parameter, not a surprise to warn about."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, targets)


METHODS: tuple[Method, ...] = (Probe(),)
