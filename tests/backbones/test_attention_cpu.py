"""Attention by products and powers of two is torch's own, whatever the lengths and the scores."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.backbones import attention_cpu
from bench.backbones.attention import by_length
from bench.backbones.attention_cpu import ByProducts, parts_of

HEADS, WIDTH = 4, 32
MIXED = [(2, 40), (3, 33), (1, 31), (5, 17), (4, 16), (2, 9), (1, 1)]
"""Groups of which some share products in half precision, and some do not."""
LONG = [(2, 300), (1, 257), (3, 100)]


def mixed_of(groups, dtype=torch.float32, size=1.0):
    torch.manual_seed(0)
    tokens = sum(texts * length for texts, length in groups)
    return (torch.randn(tokens, 3 * WIDTH) * size).to(dtype)


def biases_of(groups, dtype=torch.float32):
    return [torch.randn(1, HEADS, length, length).to(dtype) for _, length in groups]


def by_products(groups, mixed, biases=None):
    biases = biases or [None] * len(groups)
    return ByProducts(groups, HEADS, biases, mixed.new_empty(1, WIDTH))


def torchs(groups, mixed, biases=None):
    return by_length(groups, HEADS, biases or [None] * len(groups))(mixed)


@pytest.fixture(params=[4 * 2**20, 2**12], ids=["in few parts", "a few heads of a text at a time"])
def scores(request, monkeypatch):
    monkeypatch.setattr(attention_cpu, "SCORES", request.param)


@pytest.mark.usefixtures("scores")
@pytest.mark.parametrize("groups", [MIXED, LONG, MIXED[:1]])
@pytest.mark.parametrize("biased", [False, True])
def test_it_sees_what_torchs_attention_sees_layer_after_layer(groups, biased):
    mixed = mixed_of(groups)
    biases = biases_of(groups) if biased else None
    attend = by_products(groups, mixed, biases)
    for layer in (mixed, mixed.flip(0)):
        wanted = torchs(groups, layer, biases)
        np.testing.assert_allclose(attend(layer), wanted, atol=1e-5)


@pytest.mark.usefixtures("scores")
@pytest.mark.parametrize("groups", [MIXED, LONG])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 2**-7), (torch.float16, 2**-10)])
def test_in_half_precision_it_rounds_and_no_more(groups, biased, dtype, most):
    mixed = mixed_of(groups, dtype)
    biases = biases_of(groups, dtype) if biased else None
    exact = None if biases is None else [bias.float() for bias in biases]
    true = torchs(groups, mixed.float(), exact)
    attend = by_products(groups, mixed, biases)
    for _ in range(2):
        found = attend(mixed)
        assert found.dtype == dtype
        assert (found.float() - true).norm() < most * true.norm()


def with_scores(groups, value, texts=slice(0, 1)):
    """Query and key of some texts such that their scores are all about `value`."""
    mixed = mixed_of(groups)
    first = texts.start * groups[0][1], texts.stop * groups[0][1]
    of = mixed[first[0] : first[1]].view(-1, 3, HEADS, WIDTH // HEADS)
    side = abs(value / (WIDTH // HEADS) ** 0.5) ** 0.5
    of[:, 0] = side + of[:, 0] * 1e-3
    of[:, 1] = (side if value > 0 else -side) + of[:, 1] * 1e-3
    return mixed


VALUES = [-200.0, -75.0, -60.0, 80.0, 86.0, 88.0, 200.0, 1e3]


@pytest.mark.parametrize("value", VALUES)
def test_scores_that_powers_of_two_cannot_hold_are_attended_by_softmax(value):
    groups = [(3, 30), (2, 20)]
    mixed = with_scores(groups, value)
    found, wanted = by_products(groups, mixed)(mixed), torchs(groups, mixed)
    assert (found - wanted).norm() < 1e-4 * wanted.norm()


@pytest.mark.parametrize("value", VALUES)
def test_large_scores_in_bfloat16_are_as_near_to_the_truth_as_by_softmax(value):
    groups = [(3, 30), (2, 20)]
    mixed = with_scores(groups, value).bfloat16()
    true, attend = torchs(groups, mixed.float()), by_products(groups, mixed)
    found, usual = attend(mixed).float(), attend.exactly(mixed).float()
    assert (found - true).norm() < 1.2 * (usual - true).norm() + 2**-9 * true.norm()


def test_only_texts_whose_scores_are_too_large_are_attended_again(monkeypatch):
    again = []
    softmax = torch.Tensor.softmax
    monkeypatch.setattr(torch.Tensor, "softmax", lambda x, dim: again.append(1) or softmax(x, dim))
    groups = [(3, 30), (2, 20), (2, 10)]
    mixed = mixed_of(groups)
    by_products(groups, mixed)(mixed)
    assert len(again) == 0
    mixed = with_scores(groups, 200.0)
    by_products(groups, mixed)(mixed)
    assert len(again) == 1


def test_values_that_are_no_numbers_stay_so_and_do_not_spread():
    mixed = mixed_of(MIXED)
    mixed[3] = float("nan")
    found, wanted = by_products(MIXED, mixed)(mixed), torchs(MIXED, mixed)
    assert torch.equal(found.isnan(), wanted.isnan())
    assert not found[40:].isnan().any()


@given(
    groups=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 70)), min_size=1, max_size=12),
    lanes=st.sampled_from([1, 8, 16]),
    most=st.integers(1, 20_000),
)
def test_parts_hold_every_token_once_in_order_and_keep_to_their_size(groups, lanes, most):
    heads, expected = 3, 0
    parts = parts_of(groups, heads, lanes, most)
    for part in parts:
        for (texts, length), (_, tokens, again) in zip(part.groups, part.slices(), strict=True):
            assert tokens.start == expected
            assert tokens.stop - tokens.start == texts * length
            assert length == again <= part.room < length + lanes
            expected = tokens.stop
        assert part.texts == 1 or heads * part.texts * part.room**2 <= most
        if len(part.groups) == 1:
            assert part.room == part.groups[0][1]
    assert expected == sum(texts * length for texts, length in groups)
    every = [length for part in parts for n, length in part.groups for _ in range(n)]
    assert every == [length for n, length in groups for _ in range(n)]
