"""BERT-like encoders without their overheads: fused projections, packed texts, no padding.

The same sums as transformers' own forward pass in another order: query, key and value are
one product, GELU is part of the product before it (oneDNN, on a CPU) or, as a residual with its
norm, one loop (`bench.backbones.loops`), and the tokens of all texts of a batch are one matrix, in
which attention alone goes text by text, or length by length (`bench.backbones.attention`). Texts
cannot see each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.backbones.attention import (
    Attention,
    Group,
    by_length,
    over_all,
    varlen_kernel,
)
from bench.backbones.loops import Norm, activating, attending, norming
from bench.measure import Fusion

if TYPE_CHECKING:
    from torch import Tensor

Product: TypeAlias = "Callable[[Tensor], Tensor]"
Pair: TypeAlias = "tuple[Tensor, Tensor]"

PADDED_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet"}
"""Position 0 is that of the padding, and real ones begin after it."""
KINDS = {"bert", *PADDED_POSITIONS}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its first product, and all that comes after attention."""

    query_key_value: Product
    rest: Callable[[Tensor, Tensor], Tensor]  # what was seen `(t, d)` and the states before


class Fused:
    """The forward pass of an encoder over texts that stand one after another.

    `varlen` says that it wants the offsets of texts. With a `backend` of torch.compile all that
    is between two attentions is compiled, and nothing is packed for oneDNN.
    """

    def __init__(self, model: Any, backend: str | None = None) -> None:
        config = model.config
        self.heads, eps = config.num_attention_heads, config.layer_norm_eps
        self._config, self._model = config, model
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        positions = embeddings.position_embeddings.weight.detach()
        if (types := getattr(embeddings, "token_type_embeddings", None)) is not None:
            positions = positions + types.weight.detach()[0]
        self._positions = positions
        self._norm = _normed(_pair(embeddings.LayerNorm), eps)
        self._table: NDArray[np.float32] | None = None
        self._kernel = None  # on CUDA positions or biases of the other kinds go by the length
        if config.model_type == "bert":
            self._kernel = varlen_kernel(self._words, self.heads)
        self._loop = attending(self._words, self.heads)
        self.varlen = self._kernel is not None
        make = _layer if backend is None else _compiled(backend)
        up = model.encoder.layer[0].intermediate.dense.weight
        self.fusion = Fusion(
            projections=True,
            activation=_within_product(up, backend),
            norm=backend is not None or norming(*_pair(embeddings.LayerNorm), eps) is not None,
        )
        self._layers = [make(layer, eps) for layer in model.encoder.layer]

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


@dataclass(frozen=True, slots=True)
class _Weights:
    """A layer's products and norms, (weight, bias) each."""

    mix: Pair
    out: Pair
    norm: Pair
    up: Pair
    down: Pair
    norm_after: Pair

    @classmethod
    def of(cls, layer: Any) -> _Weights:
        import torch

        attention = layer.attention
        if hasattr(attention, "attn"):  # MPNet's names
            own = attention.attn
            parts, out, norm = (own.q, own.k, own.v), own.o, attention.LayerNorm
        else:
            own = attention.self
            parts = (own.query, own.key, own.value)
            out, norm = attention.output.dense, attention.output.LayerNorm
        weight = torch.cat([part.weight.detach() for part in parts])
        bias = torch.cat([part.bias.detach() for part in parts])
        return cls(
            mix=(weight, bias),
            out=_pair(out),
            norm=_pair(norm),
            up=_pair(layer.intermediate.dense),
            down=_pair(layer.output.dense),
            norm_after=_pair(layer.output.LayerNorm),
        )


def _layer(layer: Any, eps: float) -> Layer:
    """With oneDNN's packed products, where the weights are on a CPU that has them."""
    of = _Weights.of(layer)
    attended, up, down = _product(*of.out, "none"), _activated(*of.up), _product(*of.down, "none")
    norm, norm_after = _normed(of.norm, eps), _normed(of.norm_after, eps)

    def rest(seen: Tensor, x: Tensor) -> Tensor:
        x = norm(attended(seen), x)
        return norm_after(down(up(x)), x)

    return Layer(_product(*of.mix, "none"), rest)


def _compiled(backend: str) -> Callable[[Any, float], Layer]:
    """Layers whose residual and norm are one compiled function, the same for all of them.

    Products stay the library's: those that a compiler makes are slower. Only the number of
    tokens is dynamic; with widths dynamic, too, the kernels were slower than uncompiled ones.
    """
    import torch
    from torch.nn.functional import layer_norm, linear

    @torch.compile(backend=backend)
    def normed(x: Tensor, before: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        return layer_norm(x + before, weight.shape, weight, bias, eps)

    def added(x: Tensor, before: Tensor, norm: Pair, eps: float) -> Tensor:
        for each in (x, before):
            torch._dynamo.maybe_mark_dynamic(each, 0)  # noqa: SLF001 -- torch's documented name
        return normed(x, before, *norm, eps)

    def make(layer: Any, eps: float) -> Layer:
        of = _Weights.of(layer)
        up = _unpacked(*of.up, "gelu")

        def rest(seen: Tensor, x: Tensor) -> Tensor:
            x = added(linear(seen, *of.out), x, of.norm, eps)
            return added(linear(up(x), *of.down), x, of.norm_after, eps)

        return Layer(_unpacked(*of.mix, "none"), rest)

    return make


def _pair(layer: Any) -> Pair:
    return layer.weight.detach(), layer.bias.detach()


def _within_product(weight: Tensor, backend: str | None) -> bool:
    """Whether GELU is done by the product before it."""
    import torch

    if weight.device.type == "cuda":
        return weight.dtype in {torch.bfloat16, torch.float16}
    return backend is None and _packed(weight) is not None and activating(weight) is None


def _product(weight: Tensor, bias: Tensor, after: str) -> Product:
    """`x -> after(x W' + b)`, GELU in it where the device's library can."""
    if (packed := _packed(weight)) is not None:
        one = _ops()._linear_pointwise  # noqa: SLF001
        erf = "none"  # GELU's form: the error function itself, no approximation by tanh
        return lambda x: one(x, packed, bias, after, [], erf)
    return _unpacked(weight, bias, after)


def _activated(weight: Tensor, bias: Tensor) -> Product:
    """`x -> GELU(x W' + b)`."""
    if (loop := activating(weight)) is None:
        return _product(weight, bias, "gelu")
    plain = _product(weight, bias, "none")
    return lambda x: loop(plain(x))


def _unpacked(weight: Tensor, bias: Tensor, after: str) -> Product:
    """The same by torch's own products.

    On CUDA cuBLASLt's product has GELU by tanh in it (Hendrycks and Gimpel, "Gaussian error
    linear units", 2016, section 2): off by at most 5e-4, more than half precision rounds where
    GELU is small and less elsewhere. It is taken in half precision alone, where the last states
    of BERT-base were no further from the exact form's than its own rounding puts them (least
    cosine 0.99992 with it and 0.99993 with another attention kernel, on an H100).
    """
    import torch
    from torch.nn.functional import gelu, linear

    half = weight.dtype in {torch.bfloat16, torch.float16}
    if after == "gelu" and half and weight.device.type == "cuda":
        turned = weight.t()
        return lambda x: torch._addmm_activation(bias, x, turned, use_gelu=True)  # noqa: SLF001
    if after == "gelu":
        return lambda x: gelu(linear(x, weight, bias))
    return lambda x: linear(x, weight, bias)


def _normed(pair: Pair, eps: float) -> Norm:
    """`x, y -> layer norm of x + y`, in the place of x.

    oneDNN's product could have the sum in it, too, and takes longer than both apart: 1.50 ms where
    they take 1.31 (2,048 by 384 by 384 in float32, two Zen 5 cores).
    """
    from torch.nn.functional import layer_norm

    if (norm := norming(*pair, eps)) is not None:
        return norm
    return lambda x, y: layer_norm(x.add_(y), pair[0].shape, *pair, eps)


def _packed(weight: Tensor) -> Tensor | None:
    """A weight in oneDNN's own layout, or None where that library does not take it."""
    import torch

    usable = weight.device.type == "cpu" and weight.dtype in {torch.float32, torch.bfloat16}
    if not usable or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    try:
        return _ops()._reorder_linear_weight(weight.contiguous())  # type: ignore[no-any-return]  # noqa: SLF001
    except (AttributeError, RuntimeError):  # a build without them, or a processor without bf16
        return None


def _ops() -> Any:
    """The operators that torch.compile itself makes on a CPU (torch._inductor.fx_passes)."""
    import torch

    return torch.ops.mkldnn
