"""Ridge: least squares on class indicators over frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.predictions import softmax
from bench.core.task import Split
from bench.methods._threads import few_threads
from bench.methods.heads import (
    Arrays,
    Head,
    Scaling,
    constant,
    learnable,
    linear,
    restored,
    scaling_parameter,
)

SPEC = MethodSpec(
    name="ridge",
    version=1,
    summary="frozen features + ridge regression on class indicators",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("alpha", 1.0, "strength of the L2 penalty", low=1e-9, high=1e9),
        scaling_parameter(Scaling.RMS),
        Parameter("temperature", 0.1, "of the softmax over the regressed values", low=1e-3),
    ),
    # alpha is weighed against the features' Gram matrix, which `rms` brings to n per dimension
    search_space=(
        {},
        {"alpha": 10.0},
        {"alpha": 100.0},
        {"alpha": 0.1},
        {"alpha": 100.0, "scaling": "standard"},
        {"alpha": 1000.0},
    ),
    reference="Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634",
)


@dataclass(frozen=True, slots=True)
class Ridge:
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
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        from sklearn.linear_model import Ridge as RidgeRegression

        data = learnable(train, context, parameters["scaling"])
        if len(data.seen) == 1:
            return Head(context, data.scale, constant(data.seen), data.seen)
        indicators = np.eye(len(data.seen), dtype=np.float64)[data.targets]
        model = RidgeRegression(alpha=parameters["alpha"])
        with few_threads(data.features.size * data.features.shape[1]):  # the Gram matrix
            model.fit(data.features.astype(np.float64), indicators)
        temperature = float(parameters["temperature"])
        return Head(
            context,
            data.scale,
            lambda features: softmax(model.predict(features.astype(np.float64)) / temperature),
            data.seen,
            {
                "weights": model.coef_,
                "biases": model.intercept_,
                "temperature": np.array([temperature]),
            },
        )


METHODS: tuple[Method, ...] = (Ridge(),)
