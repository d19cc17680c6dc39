"""Architectures without trained weights: what can be timed where a model cannot be downloaded.

`shape:bert-base` and its kin are built from public figures, with random weights. They take the
same path as trained ones of that shape, so that their speed is that of the real model. What
they compute means nothing: a suite that names one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.image import ImageEncoder, PILImages, stack_resized
from bench.backbones.plugin import seed_random_weights, torch_dtype
from bench.backbones.products import speed_up
from bench.backbones.text import TextEncoder
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Tokens, Trainable, Weights
from bench.core.errors import NotApplicableError, UserError
from bench.core.identity import generator
from bench.core.registry import Registry
from bench.core.suite import Precision
from bench.core.task import Input, Modality

PREFIX = "shape:"
SAMPLES_PER_SECOND = 16_000
"""Of the waveforms that wav2vec 2.0 reads."""


class ShapeText(TextEncoder):
    """A text encoder whose inputs are token ids already, `(length,)` int32 each."""

    def __init__(self, spec: BackboneSpec, model: Any) -> None:
        super().__init__(spec, model, SimpleNamespace(pad_token_id=0))

    def prepare(self, inputs: Sequence[Input]) -> Tokens:
        rows = [np.asarray(row, dtype=np.int32)[: self.spec.max_length] for row in inputs]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
        longer = [len(row) > self.spec.max_length for row in inputs]
        return Tokens(flat, offsets, np.array(longer, dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class PreparedClips:
    """Waveforms as they came, all of one length; the unit is a second."""

    clips: Sequence[Input]

    @property
    def lengths(self) -> NDArray[np.int64]:
        seconds = [max(1, -(-len(clip) // SAMPLES_PER_SECOND)) for clip in self.clips]
        return np.array(seconds, dtype=np.int64)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        return np.zeros(len(self.clips), dtype=np.bool_)


class ShapeAudio:
    """An encoder of raw waveforms `(samples,)` float32: normalised, and pooled over frames."""

    packs, tokenizer = False, ""

    def __init__(self, spec: BackboneSpec, model: Any, dtype: Any) -> None:
        self.spec = spec
        self._model, self._dtype = model, dtype

    def prepare(self, inputs: Sequence[Input]) -> PreparedClips:
        return PreparedClips(inputs)

    def collate(self, prepared: PreparedClips, indices: NDArray[np.int64]) -> Any:
        import torch

        clips = np.stack([prepared.clips[i] for i in indices]).astype(np.float32)
        clips -= clips.mean(axis=1, keepdims=True)
        clips /= clips.std(axis=1, keepdims=True) + 1e-7  # as wav2vec 2.0's feature extractor
        return torch.from_numpy(clips)

    def forward(self, batch: Any) -> Any:
        states = self._model(batch.to(self._dtype)).last_hidden_state
        return states.float().mean(dim=1)

    def module(self) -> Any:
        return self._model

    def trainable(self) -> Trainable:
        raise NotApplicableError("a shape is there to be timed, not to be trained")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapePlugin:
    """One architecture: transformers' kind of model, and what differs from its defaults.

    `length` is what an input has unless said otherwise, and `longest` at most: tokens of a text,
    seconds of a clip; images have the size that the model has.
    """

    spec: BackboneSpec
    kind: str
    figures: Mapping[str, int]
    length: int
    longest: int
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- layer norms need none
    ) -> Backbone:
        from transformers import AutoConfig, AutoModel

        config = AutoConfig.for_model(self.kind, **self.figures)
        seed_random_weights(self.spec)
        dtype = torch_dtype(precision)
        model = speed_up(AutoModel.from_config(config, trust_remote_code=False))
        model.to(device, dtype).eval()
        if self.spec.modality is Modality.TEXT:
            return ShapeText(self.spec, model)
        if self.spec.modality is Modality.AUDIO:
            return ShapeAudio(self.spec, model, dtype)
        side = int(config.image_size)

        def pixels(images: PILImages) -> Any:
            import torch

            return torch.from_numpy(stack_resized(images, side) / 127.5 - 1.0)

        def states(net: Any, batch: Any) -> Any:
            return net(pixel_values=batch).last_hidden_state[:, 0]

        return ImageEncoder(self.spec, model, pixels, states, dtype)

    def inputs(self, count: int, length: int | None = None) -> list[NDArray[Any]]:
        """`count` random inputs, all different: token ids, RGB images or waveforms.

        Raises:
            UserError: if they cannot have that length.
        """
        length = self._checked(length)
        rng = generator("shape", self.spec.name, length)
        if self.spec.modality is Modality.TEXT:
            vocabulary = int(self.figures["vocab_size"])
            ids = rng.integers(vocabulary // 20, vocabulary, (count, length), dtype=np.int32)
            return list(ids)
        if self.spec.modality is Modality.AUDIO:
            samples = length * SAMPLES_PER_SECOND
            return [rng.standard_normal(samples, dtype=np.float32) for _ in range(count)]
        shape = (length, length, 3)
        return [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]

    def _checked(self, length: int | None) -> int:
        length = self.length if length is None else length
        if self.spec.modality is Modality.IMAGE and length != self.length:
            raise UserError(f"{self.spec.name} reads images of {self.length} a side, and no others")
        if not 1 <= length <= self.longest:
            of = "tokens" if self.spec.modality is Modality.TEXT else "seconds"
            raise UserError(f"{self.spec.name} reads 1 to {self.longest} {of}, not {length}")
        return length


def _spec(
    name: str,
    modality: Modality,
    summary: str,
    parameters: int,
    flops_per_unit: float,
    *,
    width: int = 768,
    pooling: Pooling = Pooling.MEAN,
    max_length: int = 0,
) -> BackboneSpec:
    return BackboneSpec(
        name=PREFIX + name,
        modality=modality,
        summary=summary,
        assets=(),
        width=width,
        pooling=pooling,
        max_length=max_length,
        weights=Weights.RANDOM,
        trainable=False,
        parameters=parameters,
        flops_per_unit=flops_per_unit,
    )


BERT_BASE = ShapePlugin(
    # Devlin et al., "BERT" (NAACL 2019), table 1: L 12, H 768, A 12; bert-base-uncased
    spec=_spec(
        "bert-base",
        Modality.TEXT,
        "BERT-base: 12 layers, 768-d",
        109_482_240,
        175e6,
        max_length=512,
    ),
    kind="bert",
    figures={
        "vocab_size": 30_522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
    },
    length=128,
    longest=512,
)
MINILM_L6 = ShapePlugin(
    # Wang et al., "MiniLM" (NeurIPS 2020): width 384, 12 heads; every second layer of the 12
    # (nreimers/MiniLM-L6-H384-uncased), the base of all-MiniLM-L6-v2
    spec=_spec(
        "minilm-l6",
        Modality.TEXT,
        "MiniLM-L6: 6 layers, 384-d",
        22_713_216,
        22.4e6,
        width=384,
        max_length=512,
    ),
    kind="bert",
    figures={
        "vocab_size": 30_522,
        "hidden_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 512,
    },
    length=128,
    longest=512,
)
VIT_B16 = ShapePlugin(
    # Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021), table 1: ViT-Base
    spec=_spec(
        "vit-b16",
        Modality.IMAGE,
        "ViT-B/16 at 224: 12 layers, 768-d, 197 positions",
        86_389_248,
        35e9,
        pooling=Pooling.CLS,
        max_length=224,
    ),
    kind="vit",
    figures={
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "image_size": 224,
        "patch_size": 16,
    },
    length=224,
    longest=224,
)
WAV2VEC2_BASE = ShapePlugin(
    # Baevski et al., "wav2vec 2.0" (NeurIPS 2020), section 4.2: 12 blocks, 768, 3072, 8 heads in
    # the text; the published model (facebook/wav2vec2-base) has 12. 7 convolutions of 512.
    spec=_spec(
        "wav2vec2-base",
        Modality.AUDIO,
        "wav2vec 2.0 base: 7 convolutions, 12 layers, 768-d, 50 frames a second",
        94_371_712,
        14.8e9,  # a second
    ),
    kind="wav2vec2",
    figures={
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    length=10,
    longest=60,
)

SHAPES: Registry[ShapePlugin] = Registry("backbone", (BERT_BASE, MINILM_L6, VIT_B16, WAV2VEC2_BASE))
