"""Attention over texts that stand one after another, none of which sees another.

Three ways with the same answer: one kernel over all of them, torch's varlen attention on CUDA or
a compiled loop on a CPU (`bench.backbones._attention_cpu`), and each length as a dense batch of its
own by torch's attention where neither takes the model.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import lru_cache
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
REGISTER = 16
"""Numbers in a processor's widest register: a head's width is some times as many."""


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


def loop_on_cpu(weight: Tensor, heads: int) -> Any:
    """`Attending` of `bench.backbones._attention_cpu` where it takes a model with this weight.

    It wants float32 or bfloat16, and a processor with vectors of eight numbers or more; else None.
    """
    import torch

    known = weight.device.type == "cpu" and weight.dtype in {torch.float32, torch.bfloat16}
    width, rest = divmod(weight.shape[1], heads)
    if not known or rest or width % REGISTER or no_loop():
        return None
    from bench.backbones._attention_cpu import Attending, body_of

    body_of(half=weight.dtype == torch.bfloat16)  # now, and not in the first batch
    return Attending


@lru_cache
def no_loop() -> str:
    """Why no model attends in the compiled loop on this machine, which `bench doctor` says; empty
    where it can."""
    import torch

    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        return "the processor has neither AVX2 nor AVX-512"
    try:
        importlib.import_module("numba")
    except ImportError as error:  # none, or one that does not go with this numpy
        return f"numba cannot be loaded ({error})"
    return ""


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
