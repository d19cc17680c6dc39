"""What a backbone has to compute, and the most that the device gave in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones import layers
from bench.backbones.shapes import SAMPLES_PER_SECOND
from bench.core.backbone import Backbone
from bench.core.errors import NotApplicableError
from bench.core.suite import Precision
from bench.core.task import Modality
from bench.measure import (
    Ceiling,
    Encoder,
    Fusion,
    Roof,
    Shape,
    Timing,
    measure,
    utilisation,
    vit_flops,
)
from bench.measure.ceiling import torch_dtype
from bench.measure.device_clock import Stopwatch
from bench.measure.timing import StopRule
from bench.runner.throughput.result import SHAPED, Limits, Speed

Lengths = NDArray[np.int64]
GATED = {"modernbert"}
"""Kinds whose feed-forward has three products and whose configuration does not say so."""
LEAST_POSITIONS, MOST_POSITIONS = 2**10, 2**17
"""Rows of the product at the model's shape: fewer (16 images) give a rate below the machine's,
more the same one, and take more memory."""
OPERANDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one input of so many units takes; None where it is not known.

    `width` and `feed_forward` are the shape of the product in the ceiling, `positions` its rows
    for one unit of the budget.
    """

    source: str
    width: int
    feed_forward: int
    positions: int = 1
    flops: Callable[[int], float] | None = None
    bytes_moved: Callable[[int], float] | None = None

    def mean(self, lengths: Lengths, of: Callable[[int], float] | None) -> float | None:
        """Of one item of these, on average."""
        if of is None:
            return None
        values, counts = np.unique(lengths, return_counts=True)
        pairs = zip(values, counts, strict=True)
        return sum(of(int(n)) * int(count) for n, count in pairs) / max(len(lengths), 1)


def cost_of(
    backbone: Backbone,
    batch: Any,
    width: int,
    precision: Precision,
    *,
    compiled: bool = False,
) -> Cost:
    """What `backbone` has to compute, from its configuration; `batch` is one of its batches."""
    config = _config(backbone)
    encoder, spec = _encoder(config), backbone.spec
    patched = isinstance(getattr(config, "patch_size", None), int)
    if spec.modality is Modality.IMAGE and not patched:
        encoder = None
    if spec.modality is Modality.AUDIO and isinstance(batch, dict):
        encoder = None  # windows of several lengths, and fronts of several kinds
    if encoder is None:
        flops = spec.flops_per_unit
        return Cost(
            source="the backbone's description" if flops else "nothing known",
            width=width,
            feed_forward=4 * width,
            flops=(lambda units: units * flops) if flops else None,
        )
    size = 4 if precision is Precision.FP32 else 2
    # a module that is compiled as a whole has residuals and norms in one; products stay a library's
    fusion = getattr(backbone, "fusion", None) or Fusion(residual=compiled)
    moved = encoder.bytes_per_token(bytes_per_value=size, fusion=fusion)
    shape = {"width": encoder.width, "feed_forward": encoder.inner}
    if spec.modality is Modality.TEXT:
        return Cost(
            source="L (8 d^2 + 4 d f + 4 s d) a token",
            flops=lambda tokens: encoder.flops([tokens]),
            bytes_moved=lambda tokens: moved * tokens,
            **shape,
        )
    if spec.modality is Modality.IMAGE:
        side, patch = int(batch.shape[-1]), int(config.patch_size)
        extra = 1 + int(getattr(config, "num_register_tokens", 0))
        image = vit_flops(encoder, image=side - side % patch, patch=patch, extra_tokens=extra)
        positions = (side // patch) ** 2 + extra
        return Cost(
            source="L (8 d^2 + 4 d f + 4 s d) a patch, and their embedding",
            positions=positions,
            flops=lambda images: image * images,
            bytes_moved=lambda images: moved * positions * images,
            **shape,
        )
    front, frames = convolutions(config, int(batch.shape[-1]))
    seconds = int(batch.shape[-1]) / SAMPLES_PER_SECOND
    second = (front + encoder.flops([frames])) / seconds
    return Cost(
        source="L (8 d^2 + 4 d f + 4 s d) a frame, and the convolutions before",
        positions=frames,
        flops=lambda units: second * units,
        bytes_moved=lambda units: moved * frames / seconds * units,
        **shape,
    )


def convolutions(config: Any, samples: int) -> tuple[float, int]:
    """FLOPs of wav2vec 2.0's convolutions over `samples`, and the frames that they leave.

    2 k c_in c_out for each place of each convolution, the projection to d, and the grouped
    convolution that stands for positions (Baevski et al., NeurIPS 2020, sections 2 and 4.2).
    """
    flops, channels, places = 0.0, 1, samples
    layers = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    for out, kernel, stride in layers:
        places = (places - kernel) // stride + 1
        flops += 2.0 * kernel * channels * out * places
        channels = out
    d = config.hidden_size
    group = d / config.num_conv_pos_embedding_groups
    flops += 2.0 * places * channels * d
    return flops + 2.0 * places * config.num_conv_pos_embeddings * group * d, places


def packed_product(shape: Shape, precision: Precision) -> Callable[[int], object] | None:
    """Work that multiplies as `bench.backbones.layers` does on this CPU; None where it cannot."""
    import torch

    dtype = torch_dtype(precision)
    weights = [torch.randn(shape.n, shape.k).to(dtype) for _ in range(OPERANDS)]
    if layers.packed(weights[0]) is None:
        return None
    bias = torch.zeros(shape.n, dtype=dtype)
    products = [layers.product(weight, bias, "none") for weight in weights]
    left = [torch.randn(shape.m, shape.k).to(dtype) for _ in range(OPERANDS)]

    def work(number: int) -> object:
        return products[number % OPERANDS](left[number % OPERANDS])

    return work


def packed_timing(
    measured: Ceiling, watch: Stopwatch, rule: StopRule, *, compiled: bool
) -> Timing | None:
    """The packed product at the model's shape, on a CPU, where forward passes have oneDNN's."""
    uses = measured.device == "cpu" and not compiled
    work = packed_product(measured.feed_forward_shape, measured.precision) if uses else None
    return None if work is None else measure(work, watch, rule, cycle=OPERANDS)


def limits(
    cost: Cost,
    measured: Ceiling,
    packed: Timing | None,
    afterwards: Timing,
    lengths: Lengths,
    device: tuple[Speed, Lengths],
    end_to_end: Speed,
) -> Limits:
    """Put measured limits, amounts and times together.

    Args:
        cost: of the backbone.
        measured: torch's own products and copy.
        packed: the packed product.
        afterwards: torch's product at the model's shape, after everything else.
        lengths: of the items timed end to end.
        device: the device's number, and the lengths of its items.
        end_to_end: the other number.
    """
    products = {"square product": measured.square_flops, SHAPED: measured.feed_forward_flops}
    if packed is not None:
        name = "packed model-shaped product (oneDNN)"
        products[name] = measured.feed_forward_shape.flops / packed.median
    best = max(products, key=lambda name: products[name])
    flops = cost.mean(device[1], cost.flops)
    moved = cost.mean(device[1], cost.bytes_moved)
    whole = cost.mean(lengths, cost.flops)
    share = utilisation(
        seconds=device[0].timing.median,
        flops=(flops or 0.0) * device[0].items,
        bytes_moved=(moved or 0.0) * device[0].items,
        roof=Roof(products[best], measured.bytes_per_second),
    )
    seconds = end_to_end.timing.median
    return Limits(
        measured=measured,
        packed=packed,
        products=products,
        ceiling=best,
        afterwards=measured.feed_forward_shape.flops / afterwards.median,
        bytes_per_second=measured.bytes_per_second,
        source=cost.source,
        flops_per_item=whole,
        bytes_per_item=cost.mean(lengths, cost.bytes_moved),
        flop_share=share.flop_share if flops else None,
        bandwidth_share=share.bandwidth_share if moved else None,
        tighter=share.limit if flops and moved else None,
        end_to_end=whole * end_to_end.items / seconds / products[best] if whole else None,
    )


def _config(backbone: Backbone) -> Any:
    try:
        return getattr(backbone.module(), "config", None)
    except NotApplicableError:
        return None


def _encoder(config: Any) -> Encoder | None:
    """The encoder's shape; None where it is no plain stack of equal transformer layers.

    Decoders with heads that share keys (and gates, and heads of a width of their own) and attention
    with products for relative positions (DeBERTa) have other sums: better none than BERT's.
    """
    layers, width = (getattr(config, k, None) for k in ("num_hidden_layers", "hidden_size"))
    if not isinstance(layers, int) or not isinstance(width, int) or hasattr(config, "depths"):
        return None
    if hasattr(config, "num_key_value_heads") or getattr(config, "relative_attention", False):
        return None
    names = ("intermediate_size", "d_ff", "ffn_dim", "hidden_dim")
    found = [int(v) for name in names if isinstance(v := getattr(config, name, None), int)]
    inner = found[0] if found else round(float(getattr(config, "mlp_ratio", 4)) * width)
    gated = getattr(config, "is_gated_act", False) or config.model_type in GATED
    return Encoder(layers=layers, width=width, feed_forward=inner * 3 // 2 if gated else inner)
