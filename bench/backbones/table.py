"""Rows of tables: their numbers as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.plugin import Plugin
from bench.core.backbone import Backbone, BackboneSpec, Trainable
from bench.core.errors import NotApplicableError
from bench.core.suite import Precision
from bench.core.task import Input, Modality


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """The rows `(n, d)` float32 as they came."""

    rows: NDArray[np.float32]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.ones(len(self.rows), dtype=np.int64)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        return np.zeros(len(self.rows), dtype=np.bool_)


class Columns:
    """Each column with 0 where a value is not known, and then for each whether it is not (1 or 0).

    Scaling is the business of the method on top.
    """

    packs, tokenizer = False, ""

    def __init__(self, spec: BackboneSpec) -> None:
        self.spec = spec

    def prepare(self, inputs: Sequence[Input]) -> PreparedRows:
        if len({np.shape(row) for row in inputs}) > 1:
            raise NotApplicableError("columns need rows that all have the same columns")
        return PreparedRows(np.array(inputs, dtype=np.float32))

    def collate(self, prepared: PreparedRows, indices: NDArray[np.int64]) -> Any:
        import torch

        rows = prepared.rows[indices]
        unknown = np.isnan(rows)
        both = np.concatenate([np.where(unknown, 0, rows), unknown], axis=1, dtype=np.float32)
        return torch.from_numpy(both)

    def forward(self, batch: Any) -> Any:
        return batch

    def module(self) -> Any:
        raise NotApplicableError("columns have nothing to train")

    def trainable(self) -> Trainable:
        raise NotApplicableError("columns have nothing to train")


@dataclass(frozen=True, slots=True)
class ColumnsPlugin:
    """The columns by their description."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,  # noqa: ARG002 -- nothing is computed
        precision: Precision,  # noqa: ARG002
        calibration: Sequence[Input],  # noqa: ARG002
    ) -> Backbone:
        return Columns(self.spec)


BACKBONES: tuple[Plugin, ...] = (
    ColumnsPlugin(
        BackboneSpec(
            name="columns",
            modality=Modality.TABLE,
            summary="the numbers of a row themselves, and which are not known",
            assets=(),
            trainable=False,
        )
    ),
)
