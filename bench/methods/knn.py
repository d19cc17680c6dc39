"""k nearest neighbours over frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.task import Split
from bench.methods._threads import few_threads
from bench.methods.heads import (
    Arrays,
    Features,
    Head,
    Probabilities,
    Scaling,
    learnable,
    restored,
    scaling_parameter,
)

SPEC = MethodSpec(
    name="knn",
    version=1,
    summary="frozen features + a vote of the nearest training items",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("k", 5, "neighbours that vote (all there are, when fewer)", low=1),
        Parameter("metric", "cosine", "distance", choices=("cosine", "euclidean")),
        Parameter("weights", "distance", "of the votes", choices=("uniform", "distance")),
        scaling_parameter(Scaling.NONE),
    ),
    search_space=(
        {},
        {"k": 15},
        {"k": 1},
        {"k": 15, "scaling": "standard"},
        {"k": 50},
        {"k": 5, "metric": "euclidean"},
    ),
    reference="Cover & Hart 1967, doi:10.1109/TIT.1967.1053964",
)


@dataclass(frozen=True, slots=True)
class NearestNeighbours:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self,
        state: Arrays,
        parameters: Parameters,
        context: Context,
    ) -> Fitted:
        return restored(state, context, lambda arrays: _votes(arrays, parameters))

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        data = learnable(train, context, parameters["scaling"])
        arrays: Arrays = {"features": data.features, "targets": data.targets}
        return Head(context, data.scale, _votes(arrays, parameters), data.seen, arrays)


def _votes(arrays: Arrays, parameters: Parameters) -> Probabilities:
    """The votes of the items that there are."""
    from sklearn.neighbors import KNeighborsClassifier

    items = len(arrays["targets"])
    model = KNeighborsClassifier(
        n_neighbors=min(int(parameters["k"]), items),
        metric=parameters["metric"],
        weights=parameters["weights"],
        algorithm="brute",
    )
    # in float64: votes weigh small differences of distances, which float32 loses
    model.fit(arrays["features"].astype(np.float64), arrays["targets"])

    def probabilities(features: Features) -> NDArray[np.floating]:
        with few_threads(features.size * items):
            votes: NDArray[np.floating] = model.predict_proba(features.astype(np.float64))
            return votes

    return probabilities


METHODS: tuple[Method, ...] = (NearestNeighbours(),)
