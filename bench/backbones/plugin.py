"""What every backbone module offers: a description, and loading on demand."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bench.core.backbone import Backbone, BackboneSpec, Pooling, Weights
from bench.core.errors import UserError
from bench.core.identity import derive_seed
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input, Modality


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


_SEQUENCE = frozenset({Pooling.CLS, Pooling.MEAN, Pooling.LAST, Pooling.MAX, Pooling.STATS})
POOLINGS: Mapping[Modality, frozenset[Pooling]] = {
    Modality.TEXT: _SEQUENCE,
    Modality.AUDIO: _SEQUENCE,
    Modality.IMAGE: frozenset({Pooling.CLS, Pooling.MEAN, Pooling.CLS_MEAN}),
}
"""What a suite may ask for."""


def adjusted(spec: BackboneSpec, entry: BackboneEntry) -> BackboneSpec:
    """`spec` with what a suite's entry sets.

    Raises:
        UserError: if it sets what this modality has not.
    """
    given: dict[str, Any] = {
        key: value
        for key in ("pooling", "normalize", "max_length")
        if (value := getattr(entry, key)) is not None
    }
    if isinstance(given.get("pooling"), str):
        given["pooling"] = Pooling(given["pooling"])
    pooling = given.get("pooling")
    if pooling is not None and pooling not in POOLINGS[spec.modality]:
        fitting = ", ".join(sorted(p.value for p in POOLINGS[spec.modality]))
        raise UserError(f"backbone {entry.name!r}: pooling of {spec.modality} is one of {fitting}")
    more = {
        key: value for key in ("layer", "trim_db") if (value := getattr(entry, key)) is not None
    }
    if more and (spec.modality is not Modality.AUDIO or spec.pooling is Pooling.NONE):
        raise UserError(f"backbone {entry.name!r}: {' and '.join(more)} cannot be set of it")
    if more:
        given["settings"] = {**(spec.settings or {}), **more}
    if spec.modality is Modality.IMAGE and spec.max_length and entry.max_length:
        share = (entry.max_length / spec.max_length) ** 2  # an image's work grows with its area
        given["flops_per_unit"] = spec.flops_per_unit * share
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
