"""Pooling: what padding holds, and on which side it stands, changes nothing."""

import pytest
import torch

from bench.backbones.pooling import pool
from bench.core.backbone import Pooling

OVER_POSITIONS = [Pooling.CLS, Pooling.MEAN, Pooling.LAST]


def padded(rows: list[torch.Tensor], side: str) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(row) for row in rows)
    states = torch.full((len(rows), longest, rows[0].shape[1]), 1e6)  # padding must not be seen
    mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    for i, row in enumerate(rows):
        at = slice(0, len(row)) if side == "right" else slice(longest - len(row), longest)
        states[i, at], mask[i, at] = row, 1
    return states, mask


@pytest.mark.parametrize("pooling", OVER_POSITIONS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(pooling, side):
    random = torch.Generator().manual_seed(0)
    rows = [torch.randn(n, 4, generator=random) for n in (1, 5, 3)]
    alone = torch.cat([pool(row[None], None, pooling) for row in rows])
    together = pool(*padded(rows, side), pooling)
    torch.testing.assert_close(together, alone)


def test_each_pooling_is_what_it_says():
    row = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [8.0, 0.0]]])
    assert pool(row, None, Pooling.CLS).tolist() == [[1.0, 2.0]]
    assert pool(row, None, Pooling.LAST).tolist() == [[8.0, 0.0]]
    assert pool(row, None, Pooling.MEAN).tolist() == [[4.0, 2.0]]


def test_half_precision_is_pooled_in_float32():
    states = torch.full((1, 4096, 1), 1.0, dtype=torch.bfloat16)
    mask = torch.ones(1, 4096, dtype=torch.int64)
    assert pool(states, mask, Pooling.MEAN).dtype == torch.float32
    assert pool(states, mask, Pooling.MEAN).item() == 1.0


def test_none_is_not_over_positions():
    with pytest.raises(ValueError, match="none"):
        pool(torch.zeros(1, 1, 1), None, Pooling.NONE)
