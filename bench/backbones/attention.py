"""Attention over texts that stand one after another, none of which sees another.

Two ways with the same answer: each length as a dense batch of its own, and one kernel over all
of them (torch's varlen attention), where the device has it.
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

SHORT, SHORT_IN_HALF = 96, 512
"""Tokens up to which batched products beat torch's attention on a CPU, in float32 and in half
precision. Measured on two EPYC (Zen 5) cores, twelve heads of 32, at 11 to 512 tokens: in bfloat16
they took 0.4 to 0.5 times as long everywhere; in float32 0.4 to 0.8 times up to 96 tokens, and from
there on whole news texts no less."""
SCORES = 4 * 2**20
"""Bytes of scores at once. Twice that, and the memory came from the system anew each time: products
took two to three times as long, and longer than torch's attention."""
LANES, FEW_LANES = 32, 8
"""Numbers in half precision that a CPU's softmax computes at once; what is left over it computes
one by one, so that 31 scores took six times as long as 32. From more than `FEW_LANES` left over it
is worth filling up."""
WIDEST_HEAD = 256
"""Of FlashAttention's kernels (Dao, "FlashAttention-2", ICLR 2024)."""
OLDEST = (8, 0)
"""Compute capability from which they run."""


def by_length(groups: Sequence[Group], heads: int, biases: Sequence[Tensor | None]) -> Attention:
    """Each length of `groups` as a dense batch; `biases` are added to its scores."""
    import torch

    def seen(mixed: Tensor) -> Tensor:
        width = mixed.shape[1] // 3
        parts, start = [], 0
        for (texts, length), bias in zip(groups, biases, strict=True):
            of = mixed[start : start + texts * length].view(texts, length, 3, heads, -1)
            part = attend(of.permute(2, 0, 3, 1, 4), bias)
            parts.append(part.transpose(1, 2).reshape(texts * length, width))
            start += texts * length
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return seen


def attend(mixed: Tensor, bias: Tensor | None) -> Tensor:
    """Attention `(b, heads, s, w)` of query, key and value `(3, b, heads, s, w)`.

    `bias` is added to the scores. Short texts on a CPU go through plain batched products (`SHORT`),
    as many at once as `SCORES` allows.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    _, texts, heads, length, _ = mixed.shape
    half = mixed.itemsize < 4
    if mixed.device.type != "cpu" or length > (SHORT_IN_HALF if half else SHORT):
        q, k, v = mixed.unbind(0)
        return scaled_dot_product_attention(q, k, v, attn_mask=bias)
    room = _room(length) if half and bias is None else length
    some = max(1, SCORES // (heads * length * room * mixed.itemsize))
    parts = [_by_products(mixed[:, i : i + some], bias, room) for i in range(0, texts, some)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _by_products(mixed: Tensor, bias: Tensor | None, room: int) -> Tensor:
    """The same by batched products, with `room` columns for the scores of a token."""
    import torch

    _, texts, heads, length, width = mixed.shape
    if room == length:
        of = mixed.reshape(3, texts * heads, length, width)
    else:
        filled = mixed.new_zeros(3, texts, heads, room, width)
        filled[:, :, :, :length] = mixed
        of = filled.view(3, texts * heads, room, width)
    q, k, v = of.unbind(0)
    q = q[:, :length]
    if bias is None:
        added, weight = q.new_empty(1, 1, 1), 0  # weight 0: not read
    else:
        added, weight = bias.expand(texts, -1, -1, -1).flatten(0, 1), 1
    scores = torch.baddbmm(added, q, k.transpose(1, 2), beta=weight, alpha=width**-0.5)
    if room > length:
        scores[..., length:] = float("-inf")
    return torch.bmm(scores.softmax(dim=-1), v).view(texts, heads, length, width)


def _room(length: int) -> int:
    """Columns for the scores of `length` tokens: whole vectors where many would be left over."""
    over = length % LANES
    return length + LANES - over if over > FEW_LANES else length


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
