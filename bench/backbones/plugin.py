"""What every backbone module offers: a description, and loading on demand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from bench.core.backbone import Backbone, BackboneSpec, Pooling, Weights
from bench.core.identity import derive_seed
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input


class Plugin(Protocol):
    """A backbone that can be listed and loaded.

    `calibrates` says that its untrained twin needs a look at unlabelled training inputs
    (the statistics of normalisation layers); the features then depend on them.
    """

    @property
    def spec(self) -> BackboneSpec: ...

    @property
    def calibrates(self) -> bool: ...

    def load(self, device: str, precision: Precision, calibration: Sequence[Input]) -> Backbone:
        """Fetch the weights where needed and put the model on `device`.

        Raises:
            AssetError: if the weights cannot be had.
            UserError: if they are not of a model that can be used here.
        """
        ...


def adjusted(spec: BackboneSpec, entry: BackboneEntry) -> BackboneSpec:
    """`spec` with what a suite's entry sets."""
    given: dict[str, Any] = {
        key: value
        for key in ("pooling", "normalize", "max_length")
        if (value := getattr(entry, key)) is not None
    }
    if isinstance(given.get("pooling"), str):
        given["pooling"] = Pooling(given["pooling"])
    return dataclasses.replace(spec, weights=entry.weights, **given)


def seed_random_weights(spec: BackboneSpec) -> None:
    """Seed torch so that a twin with random weights is the same on every machine and day."""
    import torch

    if spec.weights is Weights.RANDOM:
        torch.manual_seed(derive_seed("random-weights", *(asset.digest for asset in spec.assets)))


def torch_dtype(precision: Precision) -> Any:
    """torch's dtype of a precision."""
    import torch

    return {
        Precision.FP32: torch.float32,
        Precision.BF16: torch.bfloat16,
        Precision.FP16: torch.float16,
    }[precision]
