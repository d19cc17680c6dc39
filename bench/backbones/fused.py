"""BERT-like encoders without their overheads: packed texts, no padding, layers of few steps.

The same sums as transformers' own forward pass in another order: the tokens of all texts of a
batch are one matrix, in which attention alone goes text by text, or length by length
(`bench.backbones.attention`). Texts cannot see each other. How a layer is computed between two
attentions is `bench.backbones.layers`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.attention import (
    Attention,
    Group,
    by_length,
    over_all,
    varlen_kernel,
)
from bench.backbones.layers import Weights, pair, way_for
from bench.backbones.loops import attending

if TYPE_CHECKING:
    from torch import Tensor

PADDED_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet"}
"""Position 0 is that of the padding, and real ones begin after it."""
KINDS = {"bert", *PADDED_POSITIONS}


class Fused:
    """The forward pass of an encoder over texts that stand one after another.

    `varlen` says that it wants the offsets of texts, `fusion` what of a layer is done in one.
    With a `backend` of torch.compile all that is between two attentions is compiled, and nothing
    is packed for oneDNN.
    """

    def __init__(self, model: Any, backend: str | None = None) -> None:
        config = model.config
        self.heads = config.num_attention_heads
        self._config, self._model = config, model
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        positions = embeddings.position_embeddings.weight.detach()
        if (types := getattr(embeddings, "token_type_embeddings", None)) is not None:
            positions = positions + types.weight.detach()[0]
        self._positions = positions
        self._table: NDArray[np.float32] | None = None
        self._kernel = None  # on CUDA positions or biases of the other kinds go by the length
        if config.model_type == "bert":
            self._kernel = varlen_kernel(self._words, self.heads)
        self._loop = attending(self._words, self.heads)
        self.varlen = self._kernel is not None
        weights = [Weights.of(layer) for layer in model.encoder.layer]
        way = way_for(self._words, backend)
        steps = way(pair(embeddings.LayerNorm), weights, config.layer_norm_eps)
        self._norm, self._layers, self.fusion = steps.norm, steps.layers, steps.fusion

    def __call__(
        self, ids: Tensor, groups: Sequence[Group], offsets: Tensor | None = None
    ) -> Tensor:
        """Last hidden states `(t, d)` of the tokens `(t,)` of texts in `groups`, in their order.

        `offsets` `(n + 1,)` int32 on the device: where each text begins and ends (`varlen`).
        """
        return self._states(ids, *self._attention(ids, groups, offsets))

    def _attention(
        self, ids: Tensor, groups: Sequence[Group], offsets: Tensor | None
    ) -> tuple[Tensor, Attention]:
        """Positions `(t,)` of the tokens in their texts, and what lets them attend."""
        one_length = len(groups) == 1  # for which dense attention is the faster, on an H100 by 3 %
        if self._kernel is not None and offsets is not None and not one_length:
            places = _places_within(offsets, len(ids))
            return places, over_all(offsets, groups[0][1], self.heads, self._kernel)
        places = self._places(ids, groups)
        if self._loop is None:
            return places, by_length(groups, self.heads, self._biases(groups))
        texts, lengths = np.array(groups).T
        each = np.repeat(lengths, texts)
        return places, self._loop(each, self.heads, self._words, self._relative())

    def _states(self, ids: Tensor, places: Tensor, seen: Attention) -> Tensor:
        from torch.nn.functional import embedding

        x = self._norm(embedding(ids, self._words), embedding(places, self._positions))
        for layer in self._layers:
            x = layer.rest(seen(layer.query_key_value(x)), x)
        return x

    def _places(self, ids: Tensor, groups: Sequence[Group]) -> Tensor:
        """Positions `(t,)` of the tokens in their texts, as the model counts them."""
        import torch

        found, start = [], 0
        for texts, length in groups:
            if self._config.model_type in PADDED_POSITIONS:
                pad = self._model.embeddings.padding_idx
                real = (ids[start : start + texts * length] != pad).view(texts, length).long()
                found.append((real.cumsum(dim=1) * real + pad).view(-1))
            else:
                found.append(torch.arange(length, device=ids.device).repeat(texts))
            start += texts * length
        return found[0] if len(found) == 1 else torch.cat(found)

    def _biases(self, groups: Sequence[Group]) -> list[Tensor | None]:
        """What is added to attention's scores at each length, `(1, heads, length, length)`."""
        if self._config.model_type != "mpnet":
            return [None] * len(groups)
        words, encoder = self._words, self._model.encoder
        return [encoder.compute_position_bias(words.new_empty(1, n, 1)) for _, n in groups]

    def _relative(self) -> NDArray[np.float32] | None:
        """What is added to a score `(heads, 2 m - 1)`, from a query m - 1 before its key on."""
        if self._config.model_type != "mpnet":
            return None
        import torch

        if self._table is None:
            most = self._config.max_position_embeddings
            like = self._words.new_empty(1, most, 1)
            bias = self._model.encoder.compute_position_bias(like)[0].float()
            before, behind = bias[:, 0, 1:].flip(1), bias[:, :, 0]
            self._table = torch.cat([before, behind], dim=1).numpy()
        return self._table


def _places_within(offsets: Tensor, tokens: int) -> Tensor:
    """Positions `(t,)` of the tokens in their texts, from where these begin."""
    import torch

    lengths = offsets.diff()
    begins = offsets[:-1].repeat_interleave(lengths, output_size=tokens)
    return torch.arange(tokens, device=offsets.device) - begins


def fuse(model: Any, backend: str | None = None) -> Fused | None:
    """`model` as one of these, or None where its architecture is another, or adapters or a prefix
    are in it: they would be left out."""
    config = model.config
    known = (
        config.model_type in KINDS
        and config.hidden_act == "gelu"
        and not getattr(config, "is_decoder", False)
        and not getattr(config, "add_cross_attention", False)
        and getattr(config, "position_embedding_type", "absolute") in {"absolute", None}
        and not any(
            hasattr(module, "base_layer") or hasattr(module, "prompt_encoder")  # peft's names
            for module in model.modules()
        )
    )
    return Fused(model, backend) if known else None
