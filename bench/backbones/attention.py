"""Attention over texts that stand one after another, none of which sees another.

Three ways with the same answer: one kernel over all of them, torch's varlen attention on CUDA or
a compiled loop on a CPU (`bench.backbones.loops`), and each length as a dense batch of its
own by torch's attention where neither takes the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Group: TypeAlias = tuple[int, int]
"""Texts and tokens of each: so many texts of one length."""
Attention: TypeAlias = "Callable[[Tensor], Tensor]"
"""Query, key and value `(t, 3 d)` of all tokens in, what each has seen `(t, d)` out."""

WIDEST_HEAD = 256
"""Of FlashAttention's kernels (Dao, "FlashAttention-2", ICLR 2024)."""
OLDEST = (8, 0)
"""Compute capability from which they run."""


def by_length(groups: Sequence[Group], heads: int, biases: Sequence[Tensor | None]) -> Attention:
    """Each length of `groups` as a dense batch; `biases` are added to its scores."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    def seen(mixed: Tensor) -> Tensor:
        width = mixed.shape[1] // 3
        parts, start = [], 0
        for (texts, length), bias in zip(groups, biases, strict=True):
            of = mixed[start : start + texts * length].view(texts, length, 3, heads, -1)
            q, k, v = of.permute(2, 0, 3, 1, 4).unbind(0)
            part = scaled_dot_product_attention(q, k, v, attn_mask=bias)
            parts.append(part.transpose(1, 2).reshape(texts * length, width))
            start += texts * length
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return seen


def over_all(offsets: Tensor, longest: int, heads: int, kernel: Any) -> Attention:
    """All texts in one kernel; `offsets` `(n + 1,)` int32 say where each begins and ends."""

    def seen(mixed: Tensor) -> Tensor:
        q, k, v = mixed.view(len(mixed), 3, heads, -1).unbind(1)
        found: Tensor = kernel(q, k, v, offsets, offsets, longest, longest)
        return found.reshape(len(mixed), -1)

    return seen


def varlen_kernel(weight: Tensor, heads: int) -> Any:
    """torch's varlen attention where it takes a model with this weight; else None."""
    import torch

    half = weight.dtype in {torch.bfloat16, torch.float16}
    if weight.device.type != "cuda" or not half or weight.shape[1] // heads > WIDEST_HEAD:
        return None
    if torch.cuda.get_device_capability(weight.device) < OLDEST:
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # a torch before 2.10, or one without the kernel
        return None
    return varlen_attn
