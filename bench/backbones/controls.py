"""Features that know nothing: what a foundation model has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.audio import AudioEncoder, Batch, Tensor
from bench.backbones.image import PreparedImages
from bench.backbones.plugin import Plugin, torch_dtype
from bench.backbones.speech import LogMel
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Trainable
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


def mel_frames(_: None, group: Batch) -> Tensor:
    """Log-mel frames `(b, f, 80)`."""
    return group["input"].transpose(1, 2)


@dataclass(frozen=True, slots=True)
class LogMelPlugin:
    """The log-mel control by its description."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,  # noqa: ARG002 -- nothing is computed there
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002
    ) -> Backbone:
        front = LogMel(frames_a_second=100)
        return AudioEncoder(self.spec, None, front, mel_frames, torch_dtype(precision))


BACKBONES: tuple[Plugin, ...] = (
    LogMelPlugin(
        BackboneSpec(
            name="log-mel",
            modality=Modality.AUDIO,
            summary="a control: mean and deviation of 80 log-mel bands over time",
            assets=(),
            width=160,
            pooling=Pooling.STATS,
            max_length=30,
            trainable=False,
        )
    ),
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
