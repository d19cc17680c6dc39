"""What an encoder has to compute and to move, and how near to the hardware's limits it came.

Formulas alone; the hardware's limits are measured in `bench.measure.ceiling`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """What of a layer is one pass over memory: `projections` to queries, keys and values together,
    the `activation` with the product before it, a `residual` with its norm or with the product
    before it.
    """

    projections: bool = False
    activation: bool = False
    residual: bool = False


EAGER = Fusion()
FUSED = Fusion(projections=True, activation=True, residual=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Shape of a transformer encoder: layers L, width d and feed-forward width f (4d unless given).

    Raises:
        ValueError: if a number is below 1.
    """

    layers: int
    width: int
    feed_forward: int | None = None

    def __post_init__(self) -> None:
        if min(self.layers, self.width, self.inner) < 1:
            raise ValueError(f"an encoder's shape is of numbers from 1: {self}")

    @property
    def inner(self) -> int:
        """Width of the feed-forward layer."""
        return 4 * self.width if self.feed_forward is None else self.feed_forward

    def flops_per_token(self, length: int) -> float:
        """FLOPs of a forward pass for one token of a sequence of `length` s: L (8d^2 + 4df + 4sd).

        With f = 4d that is L (24 d^2 + 4 s d): Narayanan et al., "Efficient large-scale
        language model training on GPU clusters using Megatron-LM" (SC 2021), appendix, has
        24 B s h^2 + 4 B s^2 h a layer and batch. A multiplication and an addition are two.
        8d^2 are the projections to queries, keys, values and out of them, 4df the two
        feed-forward products, 4sd the scores and the sum weighted by them, all of them
        (encoders do not mask the future). Norms, softmax, activations, embeddings and
        pooling are left out: below 1 % at these widths. A gated feed-forward has three
        products: give 1.5 times its width.
        """
        d, f = self.width, self.inner
        return float(self.layers * (8 * d * d + 4 * d * f + 4 * length * d))

    def flops(self, lengths: Iterable[int]) -> float:
        """FLOPs of a forward pass over sequences of these lengths, without padding.

        Real lengths give the FLOPs that were useful, padded ones those that were done.
        """
        return sum(int(n) * self.flops_per_token(int(n)) for n in lengths)

    def bytes_per_token(self, *, bytes_per_value: int = 2, fusion: Fusion = EAGER) -> float:
        """Estimate of the bytes that one token's activations move to and from device memory.

        A layer in eager mode reads and writes 24d + 4f values: Q, K, V 3 + 3, attention
        3 + 1 (in one kernel, which keeps its scores to itself), its output 1 + 1, add and
        norm 3 + 2, twice, feed-forward 1 + f, activation f + f, and f + 1. So 40d where
        f = 4d, 80d bytes at two bytes a value. One product for Q, K, V has 1 + 3, an activation
        inside its product nothing, add and norm in one 2 + 1, or in the product before it, which
        then has 2 + 1, beside the norm's 1 + 1: all three 18d + 2f (52d bytes).
        Weights are left out: a batch of thousands of tokens shares them.
        """
        d, f = self.width, self.inner
        values = 24 * d + 4 * f
        values -= 2 * d * fusion.projections + 2 * f * fusion.activation + 4 * d * fusion.residual
        return float(self.layers * values * bytes_per_value)


def vit_flops(
    encoder: Encoder, *, image: int, patch: int, channels: int = 3, extra_tokens: int = 1
) -> float:
    """FLOPs of a vision transformer for one image of `image` x `image` pixels.

    The encoder's over (image / patch)^2 patches and the extra tokens (class, registers), and
    2 d patch^2 channels a patch for the embedding (Dosovitskiy et al., ICLR 2021).

    Raises:
        ValueError: if patches do not tile the image.
    """
    if patch < 1 or image % patch:
        raise ValueError(f"patches of {patch} do not tile an image of {image}")
    patches = (image // patch) ** 2
    embedding = 2 * encoder.width * patch**2 * channels * patches
    return encoder.flops([patches + extra_tokens]) + float(embedding)


@dataclass(frozen=True, slots=True)
class Roof:
    """The most that the hardware gave: FLOP/s of a matrix product, bytes/s of a copy."""

    flops_per_second: float
    bytes_per_second: float


class Limit(StrEnum):
    """What a computation meets first."""

    COMPUTE = "compute"  # the matrix product's rate
    MEMORY = "memory"  # the copy's rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Shares of the two limits, 1 is all of it; `limit` is the tighter, the one with the larger.

    `seconds_least` is the time that the tighter limit alone would take: the roofline of
    Williams, Waterman & Patterson (CACM 52, 2009).
    """

    flop_share: float
    bandwidth_share: float
    limit: Limit
    seconds_least: float


def utilisation(*, seconds: float, flops: float, bytes_moved: float, roof: Roof) -> Utilisation:
    """How near work of `flops` and `bytes_moved` in `seconds` came to the limits of `roof`.

    A share above 1 says that the estimate is too large or the roof was measured too low.

    Raises:
        ValueError: if the time or the roof is not above 0, or an amount is negative.
    """
    if not min(seconds, roof.flops_per_second, roof.bytes_per_second) > 0:
        raise ValueError(f"seconds and the roof must be above 0: {seconds}, {roof}")
    if min(flops, bytes_moved) < 0:
        raise ValueError(f"amounts are not negative: {flops} FLOPs, {bytes_moved} bytes")
    compute = flops / roof.flops_per_second
    memory = bytes_moved / roof.bytes_per_second
    return Utilisation(
        flop_share=compute / seconds,
        bandwidth_share=memory / seconds,
        limit=Limit.COMPUTE if compute >= memory else Limit.MEMORY,
        seconds_least=max(compute, memory),
    )
