"""How a layer of a BERT-like encoder is computed between two attentions: one of three ways.

They give the same states, up to rounding. Query, key and value are one product in all of them.

- `apart`: products, each residual with its norm, on a CPU. The weights are in oneDNN's own layout,
  GELU is part of the product before it or, as a residual with its norm is, one loop
  (`bench.backbones.loops`).
- `inside`: on CUDA. A residual is what the product before it begins with, and GELU that product's
  end: nothing is left between products but norms and attention.
- `compiled`: a residual and its norm are one function that torch.compile made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.backbones.loops import Norm, activating, norming
from bench.measure import Fusion

if TYPE_CHECKING:
    from torch import Tensor

Product: TypeAlias = "Callable[[Tensor], Tensor]"
Pair: TypeAlias = "tuple[Tensor, Tensor]"
"""Weight and bias."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its first product, and all that comes after attention."""

    query_key_value: Product
    rest: Callable[[Tensor, Tensor], Tensor]  # what was seen `(t, d)` and the states before


@dataclass(frozen=True, slots=True)
class Steps:
    """What an encoder does: the norm of its embeddings, its layers, and what of them is one."""

    norm: Norm
    layers: list[Layer]
    fusion: Fusion


@dataclass(frozen=True, slots=True)
class Weights:
    """A layer's products and norms."""

    mix: Pair
    out: Pair
    norm: Pair
    up: Pair
    down: Pair
    norm_after: Pair

    @classmethod
    def of(cls, layer: Any) -> Weights:
        """Those of a layer of transformers'."""
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
            out=pair(out),
            norm=pair(norm),
            up=pair(layer.intermediate.dense),
            down=pair(layer.output.dense),
            norm_after=pair(layer.output.LayerNorm),
        )


Way: TypeAlias = Callable[[Pair, Sequence[Weights], float], Steps]
"""Norm of the embeddings, weights of the layers and the norms' epsilon in."""


def way_for(weight: Tensor, backend: str | None) -> Way:
    """The way of a model with this weight: `compiled` where a `backend` of torch.compile is given,
    else by the device."""
    if backend is not None:
        return compiled(backend)
    return inside if weight.device.type == "cuda" else apart


def pair(layer: Any) -> Pair:
    """Weight and bias of a linear layer or a norm."""
    return layer.weight.detach(), layer.bias.detach()


def apart(embedded: Pair, weights: Sequence[Weights], eps: float) -> Steps:
    """With oneDNN's packed products, where the weights are on a CPU that has them."""

    def made(of: Weights) -> Layer:
        attended, down = product(*of.out, "none"), product(*of.down, "none")
        up = _activated(*of.up)
        norm, norm_after = _normed(of.norm, eps), _normed(of.norm_after, eps)

        def rest(seen: Tensor, x: Tensor) -> Tensor:
            x = norm(attended(seen), x)
            return norm_after(down(up(x)), x)

        return Layer(product(*of.mix, "none"), rest)

    up = weights[0].up[0]
    fusion = Fusion(
        projections=True,
        activation=packed(up) is not None and activating(up) is None,
        residual=norming(*embedded, eps) is not None,
    )
    return Steps(_normed(embedded, eps), [made(of) for of in weights], fusion)


def inside(embedded: Pair, weights: Sequence[Weights], eps: float) -> Steps:
    """With each residual in the product before it, x + W s, in the place of x.

    That product has room for one addend, and its bias b is another. So the norm before adds b to
    what it gives, with its own bias, and the product after that norm takes off what it sees too
    much: V (x + b) + (c - V b) = V x + c. Biases are folded in float64.
    """
    from torch.nn.functional import layer_norm

    def normed(norm: Pair, ahead: Tensor | None) -> Product:
        weight, bias = norm
        if ahead is not None:
            bias = (bias.double() + ahead.double()).to(bias.dtype)
        return lambda x: layer_norm(x, weight.shape, weight, bias, eps)

    def made(of: Weights, ahead: Tensor | None) -> Layer:
        out, down = of.out[0].t(), of.down[0].t()
        norm, up = normed(of.norm, of.down[1]), _unpacked(*_without(of.up, of.down[1]), "gelu")
        norm_after = normed(of.norm_after, ahead)

        def rest(seen: Tensor, x: Tensor) -> Tensor:
            x = norm(x.addmm_(seen, out))
            return norm_after(x.addmm_(up(x), down))

        return Layer(_unpacked(*_without(of.mix, of.out[1]), "none"), rest)

    ahead = [of.out[1] for of in weights[1:]] + [None]
    first = normed(embedded, weights[0].out[1])
    up = weights[0].up[0]
    return Steps(
        lambda words, places: first(words.add_(places)),
        [made(of, next_one) for of, next_one in zip(weights, ahead, strict=True)],
        Fusion(projections=True, activation=_half_on_cuda(up), residual=True),
    )


def _without(of: Pair, addend: Tensor) -> Pair:
    """The product that gives for x and `addend` together what `of` gives for x."""
    weight, bias = of
    return weight, (bias.double() - weight.double() @ addend.double()).to(bias.dtype)


def compiled(backend: str) -> Way:
    """Residual and norm as one compiled function, the same for all layers.

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

    def made(of: Weights, eps: float) -> Layer:
        up = _unpacked(*of.up, "gelu")

        def rest(seen: Tensor, x: Tensor) -> Tensor:
            x = added(linear(seen, *of.out), x, of.norm, eps)
            return added(linear(up(x), *of.down), x, of.norm_after, eps)

        return Layer(_unpacked(*of.mix, "none"), rest)

    def way(embedded: Pair, weights: Sequence[Weights], eps: float) -> Steps:
        fusion = Fusion(projections=True, activation=_half_on_cuda(weights[0].up[0]), residual=True)
        return Steps(_normed(embedded, eps), [made(of, eps) for of in weights], fusion)

    return way


def _half_on_cuda(weight: Tensor) -> bool:
    """Whether cuBLASLt's product has GELU in it (`_unpacked`)."""
    import torch

    return weight.device.type == "cuda" and weight.dtype in {torch.bfloat16, torch.float16}


def product(weight: Tensor, bias: Tensor, after: str) -> Product:
    """`x -> after(x W' + b)`, GELU in it where the device's library can."""
    if (laid_out := packed(weight)) is not None:
        one = _ops()._linear_pointwise  # noqa: SLF001
        erf = "none"  # GELU's form: the error function itself, no approximation by tanh
        return lambda x: one(x, laid_out, bias, after, [], erf)
    return _unpacked(weight, bias, after)


def _activated(weight: Tensor, bias: Tensor) -> Product:
    """`x -> GELU(x W' + b)`."""
    if (loop := activating(weight)) is None:
        return product(weight, bias, "gelu")
    plain = product(weight, bias, "none")
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

    if after == "gelu" and _half_on_cuda(weight):
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


def packed(weight: Tensor) -> Tensor | None:
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
