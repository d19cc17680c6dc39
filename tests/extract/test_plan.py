"""The batch plan: every item once, the budget kept, equal lengths together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.extract import plan_batches

LENGTHS = st.lists(st.integers(1, 512), max_size=300).map(lambda x: np.array(x, dtype=np.int64))


@given(LENGTHS, st.integers(1, 4096))
def test_every_item_once_and_the_budget_kept(lengths, budget):
    plan = plan_batches(lengths, budget)
    items = [int(i) for batch in plan.batches for i in batch]
    assert sorted(items) == list(range(len(lengths)))
    for batch in plan.batches:
        longest = int(lengths[batch].max())
        assert len(batch) * longest <= budget or len(batch) == 1
    assert plan.units == lengths.sum()
    assert plan.units <= plan.units_padded
    assert 0.0 <= plan.padding_share < 1.0


@given(LENGTHS)
def test_padding_is_bounded(lengths):
    for batch in plan_batches(lengths, 2048).batches:
        assert lengths[batch].min() >= 0.8 * lengths[batch].max()


def test_equal_lengths_need_no_padding():
    lengths = np.repeat([5, 7, 9], 100)
    assert plan_batches(lengths, 64).padding_share == 0.0


@given(LENGTHS)
def test_longest_first(lengths):
    tops = [int(lengths[batch].max()) for batch in plan_batches(lengths, 256).batches]
    assert tops == sorted(tops, reverse=True)


@given(LENGTHS, st.integers(1, 4096))
def test_packed_batches_are_full_and_have_no_padding(lengths, budget):
    plan = plan_batches(lengths, budget, packed=True)
    order = np.concatenate([*plan.batches, np.zeros(0, dtype=np.int64)]).astype(int)
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()
    assert plan.padding_share == 0.0
    sizes = [int(lengths[batch].sum()) for batch in plan.batches]
    for batch, size, following in zip(plan.batches, sizes, plan.batches[1:], strict=False):
        assert size <= budget or len(batch) == 1
        assert size + lengths[following[0]] > budget


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="budget"):
        plan_batches(np.array([1]), 0)
    with pytest.raises(ValueError, match="length"):
        plan_batches(np.array([0]), 8)
