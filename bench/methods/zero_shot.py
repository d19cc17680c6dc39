"""No labels at all: the class whose name, put into a sentence, lies nearest to the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.method import (
    Context,
    Fitted,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Size,
)
from bench.core.predictions import ClassPredictions, Predictions, softmax
from bench.core.task import Input, Modality, Split

NAME = "{}"
"""Where the name of a class stands in the template."""

SPEC = MethodSpec(
    name="zero-shot",
    version=1,
    summary="class names embedded by the text encoder itself; no labels are used",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("template", "This text is about {}.", "a sentence; {} is the class's name"),
        Parameter(
            "temperature", 0.05, "of the softmax over cosines; it moves no class", low=1e-4, high=10
        ),
    ),
    modalities=frozenset({Modality.TEXT}),
    labels=False,
    reference="Yin et al. 2019, arXiv:1909.00161; Radford et al. 2021, arXiv:2103.00020",
)


@dataclass(frozen=True, slots=True)
class Named:
    """Directions of the classes `(k, width)`, of length 1."""

    directions: NDArray[np.float32]
    temperature: float
    context: Context

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        cosines = unit(self.context.features(inputs)) @ self.directions.T
        return ClassPredictions(softmax(cosines / self.temperature).astype(np.float32))

    def size(self) -> Size:
        return Size(0, self.directions.nbytes)

    def state(self) -> dict[str, NDArray[Any]]:
        """The directions of the classes."""
        return {"directions": self.directions}


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        return Named(state["directions"], float(parameters["temperature"]), context)

    def fit(
        self,
        parameters: Parameters,
        train: Split,  # noqa: ARG002 -- that is the point
        validation: Split | None,  # noqa: ARG002
        context: Context,
    ) -> Fitted:
        template = str(parameters["template"])
        sentences = [
            template.replace(NAME, name.replace("_", " ").replace("-", " "))
            for name in context.class_names
        ]
        directions = unit(context.features(sentences))
        return Named(directions, float(parameters["temperature"]), context)


def unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows `(n, width)` of length 1."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    found: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return found


METHODS: tuple[Method, ...] = (ZeroShot(),)
