"""BERT-like encoders without their overheads: fused projections, packed texts, no padding.

The same sums as transformers' own forward pass in another order: query, key and value are
one product, GELU and residuals are part of the products before them (oneDNN, on a CPU), and
the tokens of all texts of a batch are one matrix, in which attention alone goes length by
length. Texts cannot see each other: each length is a batch of attention of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Group: TypeAlias = tuple[int, int]
"""Texts and tokens of each: so many texts of one length."""
Product: TypeAlias = "Callable[[Tensor], Tensor]"
Added: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"

PADDED_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet"}
"""Position 0 is that of the padding, and real ones begin after it."""
KINDS = {"bert", *PADDED_POSITIONS}
SHORT = 96
"""Tokens up to which batched products beat torch's attention on a CPU (measured at 12 to 128)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's products with what is fused into them, and its two norms (weight, bias)."""

    query_key_value: Product
    attended: Added
    norm: tuple[Tensor, Tensor]
    up: Product
    down: Added
    norm_after: tuple[Tensor, Tensor]


class Fused:
    """The forward pass of an encoder over texts that stand one after another."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self.heads, self.eps = config.num_attention_heads, config.layer_norm_eps
        self._config, self._model = config, model
        embeddings = model.embeddings
        self._words = embeddings.word_embeddings.weight.detach()
        positions = embeddings.position_embeddings.weight.detach()
        if (types := getattr(embeddings, "token_type_embeddings", None)) is not None:
            positions = positions + types.weight.detach()[0]
        self._positions = positions
        self._norm = _norm(embeddings.LayerNorm)
        self._layers = [_layer(layer) for layer in model.encoder.layer]

    def __call__(self, ids: Tensor, groups: Sequence[Group]) -> Tensor:
        """Last hidden states `(t, d)` of the tokens `(t,)` of texts in `groups`, in their order."""
        import torch
        from torch.nn.functional import layer_norm

        width = self._words.shape[1]
        shape = (width,)
        places, biases = self._places(ids, groups), self._biases(groups)
        x = self._words[ids] + self._positions[places]
        x = layer_norm(x, shape, *self._norm, self.eps)
        for layer in self._layers:
            mixed = layer.query_key_value(x)
            parts, start = [], 0
            for (texts, length), bias in zip(groups, biases, strict=True):
                of = mixed[start : start + texts * length].view(texts, length, 3, self.heads, -1)
                seen = attend(of.permute(2, 0, 3, 1, 4), bias)
                parts.append(seen.transpose(1, 2).reshape(texts * length, width))
                start += texts * length
            attended = parts[0] if len(parts) == 1 else torch.cat(parts)
            x = layer_norm(layer.attended(attended, x), shape, *layer.norm, self.eps)
            x = layer_norm(layer.down(layer.up(x), x), shape, *layer.norm_after, self.eps)
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


def attend(mixed: Tensor, bias: Tensor | None) -> Tensor:
    """Attention `(b, heads, s, w)` of query, key and value `(3, b, heads, s, w)`.

    `bias` is added to the scores. Short texts on a CPU go through plain batched products, which
    take half to four fifths of the time of torch's own kernel up to about a hundred tokens.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    _, texts, heads, length, width = mixed.shape
    if mixed.device.type != "cpu" or length > SHORT:
        q, k, v = mixed.unbind(0)
        return scaled_dot_product_attention(q, k, v, attn_mask=bias)
    q, k, v = mixed.reshape(3, texts * heads, length, width).unbind(0)
    if bias is None:
        added, weight = q.new_empty(1, 1, 1), 0  # weight 0: not read
    else:
        added, weight = bias.expand(texts, -1, -1, -1).flatten(0, 1), 1
    scores = torch.baddbmm(added, q, k.transpose(1, 2), beta=weight, alpha=width**-0.5)
    seen = torch.bmm(scores.softmax(dim=-1), v)
    return seen.view(texts, heads, length, width)


def fuse(model: Any) -> Fused | None:
    """`model` as one of these, or None where its architecture is another, or adapters are in it:
    their products would be left out."""
    config = model.config
    known = (
        config.model_type in KINDS
        and config.hidden_act == "gelu"
        and not getattr(config, "is_decoder", False)
        and not getattr(config, "add_cross_attention", False)
        and getattr(config, "position_embedding_type", "absolute") in {"absolute", None}
        and not any(hasattr(module, "base_layer") for module in model.modules())
    )
    return Fused(model) if known else None


def _layer(layer: Any) -> Layer:
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
    inner, outer = layer.intermediate.dense, layer.output.dense
    return Layer(
        query_key_value=_product(weight, bias, "none"),
        attended=_added(out.weight.detach(), out.bias.detach()),
        norm=_norm(norm),
        up=_product(inner.weight.detach(), inner.bias.detach(), "gelu"),
        down=_added(outer.weight.detach(), outer.bias.detach()),
        norm_after=_norm(layer.output.LayerNorm),
    )


def _norm(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.weight.detach(), layer.bias.detach()


def _product(weight: Tensor, bias: Tensor, after: str) -> Product:
    """`x -> after(x W' + b)`, GELU in it where the device's library can."""
    from torch.nn.functional import gelu, linear

    if (packed := _packed(weight)) is not None:
        one = _ops()._linear_pointwise  # noqa: SLF001
        erf = "none"  # GELU's form: the error function itself, no approximation by tanh
        return lambda x: one(x, packed, bias, after, [], erf)
    if after == "gelu":
        return lambda x: gelu(linear(x, weight, bias))
    return lambda x: linear(x, weight, bias)


def _added(weight: Tensor, bias: Tensor) -> Added:
    """`x, y -> x W' + b + y`."""
    from torch.nn.functional import linear

    if (packed := _packed(weight)) is not None:
        two = _ops()._linear_pointwise.binary  # noqa: SLF001
        return lambda x, y: two(x, y, packed, bias, "add")
    return lambda x, y: linear(x, weight, bias) + y


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
