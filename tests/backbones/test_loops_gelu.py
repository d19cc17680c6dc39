"""GELU in a compiled loop is the error function's, whatever the number of numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.backbones._cpu import compiling
from bench.backbones._cpu.gelu import BLOCK, EDGE, body_of, gelu
from bench.backbones.loops import activating

FAR = 40.0


def true_of(x):
    """In float64."""
    return torch.nn.functional.gelu(x.double())


@given(sixteens=st.integers(1, 3 * BLOCK // 16 + 1), threads=st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_any_number_in_any_number_of_threads_are_the_same_bits(sixteens, threads):
    torch.manual_seed(sixteens)
    x, now = 4 * torch.randn(16 * sixteens), torch.get_num_threads()
    found = gelu(x.clone())
    assert ((found - true_of(x)).abs() <= 1.95e-7 * x.abs()).all()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(gelu(x.clone()), found)
    finally:
        torch.set_num_threads(now)


def test_it_is_nearer_than_torch_was():
    """torch 2.13 on AVX2: 1.2e-7 (root mean square), and 2.7e-7 of |x| at most."""
    x = torch.linspace(-4, 4, 1_600_000)
    off = gelu(x.clone()) - true_of(x)
    assert off.square().mean() < 9e-8**2
    assert (off / x).abs().max() < 1.95e-7


def test_beyond_the_edge_it_is_off_by_less_than_a_rounding():
    x = torch.cat(
        [torch.linspace(-FAR, -float(EDGE), 1600), torch.linspace(float(EDGE), FAR, 1600)]
    )
    assert ((gelu(x.clone()) - true_of(x)).abs() <= 2**-23 * x.abs()).all()


def test_in_bfloat16_only_what_goes_in_and_out_is_rounded():
    x = (2 * torch.randn(16, 1600)).bfloat16()
    found, true = gelu(x.clone()), true_of(x)
    assert found.dtype == torch.bfloat16
    assert (found - true).norm() < 1.0001 * (true.bfloat16() - true).norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_that_are_no_numbers_stay_so_and_do_not_spread(dtype):
    x = torch.ones(160, dtype=dtype)
    x[20], x[100], x[101] = float("nan"), float("inf"), 0.0
    found = gelu(x.clone())
    assert found[20].isnan()
    assert found[100].isposinf()
    assert found[101] == 0
    rest = torch.ones(160, dtype=torch.bool)
    rest[[20, 100, 101]] = False
    assert len(set(found[rest].tolist())) == 1


def test_it_is_written_over_its_input():
    x = torch.randn(3, 32)
    assert gelu(x).data_ptr() == x.data_ptr()


def test_it_is_taken_where_the_products_own_is_slow(monkeypatch):
    def taken(width, dtype=torch.float32, device="cpu"):
        return activating(torch.ones(width, 8, dtype=dtype, device=device)) is not None

    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert taken(1536)
    assert taken(1536, torch.bfloat16)
    assert not taken(1536, torch.float16)
    assert not taken(1536, device="meta")
    assert not taken(100)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert not taken(1536)


def test_a_place_to_keep_what_is_compiled_is_no_condition(monkeypatch):
    tried = []
    real = compiling.cfunc

    def nowhere(*given, cache=False, **options):
        tried.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*given, **options)

    monkeypatch.setattr(compiling, "cfunc", nowhere)
    body_of.cache_clear()
    try:
        x = torch.randn(160)
        torch.testing.assert_close(gelu(x.clone()).double(), true_of(x), atol=1e-6, rtol=0)
    finally:
        body_of.cache_clear()
    assert tried == [True, False]
