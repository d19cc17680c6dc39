"""From the states of a sequence to one vector, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.core.backbone import Pooling

if TYPE_CHECKING:
    from torch import Tensor


def pool(states: Tensor, mask: Tensor | None, pooling: Pooling) -> Tensor:
    """Pool `states` `(b, s, d)` over real positions to `(b, d)` float32.

    Args:
        states: hidden states in any floating type.
        mask: `(b, s)`, 1 at real positions, padding on either side; None means all real.
        pooling: any over positions.

    Raises:
        ValueError: for a pooling that is not over positions.
    """
    import torch

    if pooling is Pooling.STATS:
        mean = pool(states, mask, Pooling.MEAN)
        off = (states.float() - mean.unsqueeze(1)).square()
        return torch.cat([mean, pool(off, mask, Pooling.MEAN).sqrt()], dim=1)
    if pooling in {Pooling.MAX, Pooling.MEAN}:
        return _over_all(states.float(), mask, pooling)
    rows = torch.arange(len(states), device=states.device)
    if pooling is Pooling.CLS:
        first = 0 if mask is None else mask.to(torch.int64).argmax(dim=1)
        return states[rows, first].float()
    if pooling is Pooling.LAST:
        if mask is None:
            return states[:, -1].float()
        width = mask.shape[1]
        last = width - 1 - mask.to(torch.int64).flip(dims=[1]).argmax(dim=1)
        return states[rows, last].float()
    raise ValueError(f"pooling {pooling.value!r} is not over positions")


def _over_all(states: Tensor, mask: Tensor | None, pooling: Pooling) -> Tensor:
    """The mean or the maximum over real positions."""
    if mask is None:
        return states.mean(dim=1) if pooling is Pooling.MEAN else states.amax(dim=1)
    real = mask.unsqueeze(-1)
    if pooling is Pooling.MAX:
        return states.masked_fill(real == 0, float("-inf")).amax(dim=1)
    weights = real.to(states.dtype)
    # a sum of products in float32; empty texts still have their special tokens
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def pool_packed(
    states: Tensor, offsets: Tensor, groups: Sequence[tuple[int, int]], pooling: Pooling
) -> Tensor:
    """Pool packed `states` `(t, d)` of texts that `offsets` `(b + 1,)` divide to `(b, d)` float32.

    The same as `pool_groups` in a few kernels, whatever the number of lengths.
    """
    import torch

    if pooling is Pooling.CLS:
        return states[offsets[:-1]].float()
    if pooling is Pooling.LAST:
        return states[offsets[1:] - 1].float()
    if pooling in {Pooling.MEAN, Pooling.MAX} and len(groups) > 1:
        lengths, how = offsets.diff().long(), "mean" if pooling is Pooling.MEAN else "max"
        return torch.segment_reduce(states.float(), how, lengths=lengths, axis=0, unsafe=True)
    return pool_groups(states, groups, pooling)


def pool_groups(states: Tensor, groups: Sequence[tuple[int, int]], pooling: Pooling) -> Tensor:
    """Pool packed `states` `(t, d)` of texts in `groups` of one length each to `(b, d)` float32."""
    import torch

    parts, start = [], 0
    for texts, length in groups:
        of = states[start : start + texts * length].view(texts, length, -1)
        parts.append(pool(of, None, pooling))
        start += texts * length
    return parts[0] if len(parts) == 1 else torch.cat(parts)
