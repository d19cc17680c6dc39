"""Nearest class centroid over frozen features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.predictions import softmax
from bench.core.task import Split
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
    name="centroid",
    version=1,
    summary="frozen features + the nearest class mean, by cosine",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("center", False, "subtract the mean of the training features first"),
        scaling_parameter(Scaling.NONE),
        Parameter("temperature", 0.1, "of the softmax over cosines", low=1e-3),
    ),
    search_space=({}, {"center": True}, {"center": True, "scaling": "standard"}),
    reference="Snell et al. 2017, arXiv:1703.05175 (prototypes, without training)",
)


@dataclass(frozen=True, slots=True)
class Centroid:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self,
        state: Arrays,
        parameters: Parameters,  # noqa: ARG002 -- all that they decided is in the arrays
        context: Context,
    ) -> Fitted:
        return restored(state, context, _nearest)

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        data = learnable(train, context, parameters["scaling"])
        origin = data.features.mean(axis=0) if parameters["center"] else np.float32(0.0)
        classes = range(len(data.seen))
        means = _unit(
            np.stack([(data.features - origin)[data.targets == c].mean(axis=0) for c in classes])
        )
        arrays = {
            "origin": np.atleast_1d(origin),
            "means": means,
            "temperature": np.array([float(parameters["temperature"])]),
        }
        return Head(context, data.scale, _nearest(arrays), data.seen, arrays)


def _nearest(arrays: Arrays) -> Probabilities:
    """Softmax of the cosines with `means` `(m, d)`, seen from `origin`."""
    origin, means, temperature = arrays["origin"], arrays["means"], float(arrays["temperature"][0])
    return lambda features: softmax(_unit(features - origin) @ means.T / temperature)


def _unit(rows: Features) -> NDArray[np.float32]:
    """Rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(length, 1e-12)
    return unit


METHODS: tuple[Method, ...] = (Centroid(),)
