"""Features that know nothing: what a foundation model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.image import PreparedImages
from bench.backbones.plugin import Plugin
from bench.core.backbone import Backbone, BackboneSpec, Trainable
from bench.core.errors import NotApplicableError
from bench.core.suite import Precision
from bench.core.task import Input, Modality


class RawPixels:
    """Pixels / 255, flattened; images of another size are resized to `max_length` a side."""

    packs, tokenizer = False, ""

    def __init__(self, spec: BackboneSpec) -> None:
        self.spec = spec

    def prepare(self, inputs: Sequence[Input]) -> PreparedImages:
        return PreparedImages(inputs)

    def collate(self, prepared: PreparedImages, indices: NDArray[np.int64]) -> Any:
        import torch

        rows = [_flat(prepared.images[i], self.spec.max_length) for i in indices]
        if len({len(row) for row in rows}) != 1:
            raise NotApplicableError("raw pixels need images that are all grey or all in colour")
        return torch.from_numpy(np.stack(rows))

    def forward(self, batch: Any) -> Any:
        return batch

    def module(self) -> Any:
        raise NotApplicableError("raw pixels have nothing to train")

    def trainable(self) -> Trainable:
        raise NotApplicableError("raw pixels have nothing to train")


def _flat(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    from PIL import Image

    if image.shape[:2] != (side, side):
        small = Image.fromarray(np.ascontiguousarray(image)).resize((side, side))
        image = np.asarray(small)
    return image.astype(np.float32).reshape(-1) / 255.0


@dataclass(frozen=True, slots=True)
class RawPixelsPlugin:
    """The raw-pixels control by its description."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,  # noqa: ARG002 -- nothing is computed
        precision: Precision,  # noqa: ARG002
        calibration: Sequence[Input],  # noqa: ARG002
    ) -> Backbone:
        return RawPixels(self.spec)


BACKBONES: tuple[Plugin, ...] = (
    RawPixelsPlugin(
        BackboneSpec(
            name="raw-pixels",
            modality=Modality.IMAGE,
            summary="a control: the pixels themselves, 28 a side",
            assets=(),
            max_length=28,
            trainable=False,
        )
    ),
)
