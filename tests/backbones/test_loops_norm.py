"""A residual and its norm in one compiled loop are torch's own, whatever the numbers of tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import layer_norm

from bench.backbones._cpu.norm import TOKENS, Norming
from bench.backbones.loops import norming

EPS = 1e-12


def given_of(tokens, width=48, dtype=torch.float32, scale=1.0):
    torch.manual_seed(0)
    weight, bias = torch.randn(2, width).to(dtype)
    x, before = (scale * torch.randn(2, tokens, width)).to(dtype)
    return weight, bias, x, before


def true_of(weight, bias, x, before):
    """In float64."""
    sums = x.double() + before.double()
    return layer_norm(sums, weight.shape, weight.double(), bias.double(), EPS)


@given(tokens=st.integers(1, 3 * TOKENS + 1), threads=st.integers(1, 3))
@settings(deadline=None)
def test_any_tokens_in_any_number_of_threads_are_the_same_bits(tokens, threads):
    weight, bias, x, before = given_of(tokens)
    norm, now = Norming(weight, bias, EPS), torch.get_num_threads()
    found = norm(x.clone(), before)
    torch.testing.assert_close(found.double(), true_of(weight, bias, x, before), atol=2e-6, rtol=0)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(norm(x.clone(), before), found)
    finally:
        torch.set_num_threads(now)


@pytest.mark.parametrize("width", [16, 384, 768])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_in_bfloat16_only_what_goes_in_and_out_is_rounded(width, scale):
    weight, bias, x, before = given_of(70, width, torch.bfloat16, scale)
    found, true = Norming(weight, bias, EPS)(x.clone(), before), true_of(weight, bias, x, before)
    assert found.dtype == torch.bfloat16
    assert (found != true.bfloat16()).float().mean() < 0.01  # in float32 a sum may pass a tie
    assert (found - true).norm() < (layer_norm(x + before, (width,), weight, bias) - true).norm()


def test_states_far_from_zero_keep_their_variance():
    weight, bias, x, before = given_of(70)
    found = Norming(weight, bias, EPS)(x + 1e3, before)
    torch.testing.assert_close(
        found.double(), true_of(weight, bias, x + 1e3, before), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_stay_so_and_do_not_spread(value, dtype):
    weight, bias, x, before = given_of(70, dtype=dtype)
    x[34, 3] = value
    found = Norming(weight, bias, EPS)(x, before)
    assert not found[34].isfinite().any()
    assert found[:34].isfinite().all()
    assert found[35:].isfinite().all()


def test_it_is_written_over_the_first_and_the_second_is_left():
    weight, bias, x, before = given_of(5)
    kept = before.clone()
    assert Norming(weight, bias, EPS)(x, before).data_ptr() == x.data_ptr()
    assert torch.equal(before, kept)


def test_it_takes_the_models_it_can_and_leaves_the_others_to_torch():
    def taken(width, dtype=torch.float32, device="cpu"):
        weight = torch.ones(width, dtype=dtype, device=device)
        return norming(weight, weight, EPS) is not None

    assert taken(384)
    assert taken(768, torch.bfloat16)
    assert not taken(384, torch.float16)
    assert not taken(384, device="meta")
    assert not taken(100)
