"""Attention in one compiled loop is torch's own, whatever the lengths and the scores."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.backbones._cpu import attention, compiling, teams
from bench.backbones._cpu.attention import Attending
from bench.backbones._cpu.head_by_lanes import BLOCK, ROWS
from bench.backbones.attention import by_length
from bench.backbones.loops import attending, have_tiles, no_loop
from bench.runner import doctor

HEADS = 3
EDGES = [1, ROWS - 1, ROWS, ROWS + 1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 20, 2 * BLOCK + 1]
MANY = [(4, length) for length in sorted(EDGES, reverse=True)]
"""Whole texts for each thread."""
FEW = [(1, 300), (2, 257), (1, 31)]
"""Heads for each thread."""


@pytest.fixture(params=["float32", "bfloat16 by lanes", "bfloat16 by tiles"])
def dtype(request, monkeypatch):
    """Of the model, in each way that there is."""
    kind, _, by = request.param.partition(" by ")
    if by == "tiles" and not have_tiles():
        pytest.skip("the processor has no tiles (AMX)")
    monkeypatch.setattr(attention, "have_tiles", lambda: by == "tiles")
    return getattr(torch, kind)


def mixed_of(groups, width=32, dtype=torch.float32):
    torch.manual_seed(0)
    tokens = sum(texts * length for texts, length in groups)
    return torch.randn(tokens, 3 * HEADS * width).to(dtype)


def relative_of(longest):
    return np.random.default_rng(0).standard_normal((HEADS, 2 * longest - 1)).astype(np.float32)


def loop(groups, mixed, relative=None):
    lengths = np.concatenate([np.full(texts, length) for texts, length in groups])
    return Attending(lengths, HEADS, mixed.new_empty(1, mixed.shape[1] // 3), relative)


def torchs(groups, mixed, relative=None, dtype=torch.float64):
    """In float64 it is the truth."""
    biases = [None] * len(groups)
    if relative is not None:
        middle = relative.shape[1] // 2
        behind = [np.arange(n)[:, None] - np.arange(n)[None, :] for _, n in groups]
        biases = [torch.from_numpy(relative[None, :, middle + of]).to(dtype) for of in behind]
    return by_length(groups, HEADS, biases)(mixed.to(dtype))


@pytest.mark.parametrize("groups", [MANY, FEW, MANY[:1]], ids=["many", "few", "one length"])
@pytest.mark.parametrize("width", [16, 32, 64, 128])
@pytest.mark.parametrize("biased", [False, True])
def test_it_sees_what_torchs_attention_sees_layer_after_layer(groups, width, biased):
    mixed = mixed_of(groups, width)
    relative = relative_of(310) if biased else None
    attend = loop(groups, mixed, relative)
    for layer in (mixed, mixed.flip(0)):
        np.testing.assert_allclose(attend(layer), torchs(groups, layer, relative), atol=4e-6)


@pytest.mark.parametrize("groups", [MANY, FEW])
@pytest.mark.parametrize("biased", [False, True])
def test_by_lanes_in_bfloat16_only_what_goes_in_and_out_is_rounded(groups, biased, monkeypatch):
    monkeypatch.setattr(attention, "have_tiles", lambda: False)
    mixed = mixed_of(groups, dtype=torch.bfloat16)
    relative = relative_of(310) if biased else None
    found, true = loop(groups, mixed, relative)(mixed), torchs(groups, mixed, relative)
    assert found.dtype == torch.bfloat16
    rounded = true.bfloat16()
    assert (found != rounded).float().mean() < 0.01  # in float32 a sum may fall beyond a tie
    np.testing.assert_allclose(found.float(), rounded.float(), rtol=2**-7, atol=1e-5)


@pytest.mark.parametrize("groups", [MANY, FEW, MANY[:1]], ids=["many", "few", "one length"])
@pytest.mark.parametrize("width", [32, 64, 128])
@pytest.mark.parametrize("biased", [False, True])
def test_in_bfloat16_it_is_no_further_from_the_truth_than_torchs(groups, width, biased):
    """By tiles where there are any, whose left side is rounded, as torch's is."""
    mixed = mixed_of(groups, width, torch.bfloat16)
    relative = relative_of(310) if biased else None
    attend = loop(groups, mixed, relative)
    for layer in (mixed, mixed.flip(0).contiguous()):
        true = torchs(groups, layer, relative)
        usual = torchs(groups, layer, relative, torch.bfloat16)
        limit = 1.4 * (usual - true).norm(dim=1) + 1e-3 * true.norm(dim=1)
        assert ((attend(layer) - true).norm(dim=1) < limit).all()


@given(
    groups=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 100)), min_size=1, max_size=8),
    threads=st.integers(1, 3),
)
@pytest.mark.parametrize("half", [False, True])
@settings(deadline=None)
def test_any_lengths_in_any_number_of_threads_are_the_same_bits(half, groups, threads):
    kind, near = (torch.bfloat16, 2e-2) if half else (torch.float32, 4e-6)
    mixed, before = mixed_of(groups, 32, kind), torch.get_num_threads()
    found = loop(groups, mixed)(mixed).clone()
    np.testing.assert_allclose(found.float(), torchs(groups, mixed), atol=near, rtol=near)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(loop(groups, mixed)(mixed), found)
    finally:
        torch.set_num_threads(before)


def with_scores(value, dtype=torch.float32):
    """Texts of which the first has scores that are all about `value`."""
    groups, side = [(3, 30), (2, 20)], abs(value / 32**0.5) ** 0.5
    mixed = mixed_of(groups)
    of = mixed[:30].view(-1, 3, HEADS, 32)
    of[:, 0] = side + of[:, 0] * 1e-3
    of[:, 1] = (side if value > 0 else -side) + of[:, 1] * 1e-3
    return groups, mixed.to(dtype)


@pytest.mark.parametrize("value", [-1e4, -200.0, -75.0, 80.0, 88.0, 200.0, 1e4])
def test_scores_may_be_as_large_as_they_like(dtype, value):
    """Large ones are rounded as they are summed, by torch, too."""
    groups, mixed = with_scores(value, dtype)
    found, true = loop(groups, mixed)(mixed), torchs(groups, mixed)
    usual = torchs(groups, mixed, dtype=dtype)
    assert (found - true).norm() < 1.5 * (usual - true).norm() + 1e-6 * true.norm()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", ["query", "key", "value"])
def test_values_that_are_no_numbers_stay_so_and_do_not_spread(dtype, value, part):
    groups = [(2, 40), (3, 33), (9, 7)]
    mixed = mixed_of(groups, dtype=dtype)
    which = ["query", "key", "value"].index(part)
    mixed[43].view(3, -1)[which] = value
    found, wanted = loop(groups, mixed)(mixed), by_length(groups, HEADS, [None] * 3)(mixed)
    assert torch.equal(found.isfinite(), wanted.isfinite())
    assert not found[43].isfinite().any()
    assert found[:40].isfinite().all()
    assert found[80:].isfinite().all()


@pytest.mark.parametrize("parallel", ["torch's threads", "Python's threads"])
def test_it_is_the_same_in_threads_of_either_kind(parallel, monkeypatch):
    if parallel == "Python's threads":
        monkeypatch.setattr(teams, "_team", lambda: teams._by_python)
    else:
        assert teams._parallel() is not None, "torch's OpenMP library was not found"
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        mixed = mixed_of(MANY)
        np.testing.assert_allclose(loop(MANY, mixed)(mixed), torchs(MANY, mixed), atol=4e-6)
    finally:
        torch.set_num_threads(before)


def test_it_takes_the_models_it_can_and_leaves_the_others_to_torch():
    def taken(width, heads, dtype=torch.float32, device="cpu"):
        return attending(torch.empty(1, width, dtype=dtype, device=device), heads) is not None

    assert taken(384, 12)
    assert taken(768, 12, torch.bfloat16)
    assert not taken(384, 12, torch.float16)
    assert not taken(384, 12, device="meta")
    assert not taken(240, 10)  # heads of 24
    assert not taken(100, 3)


def test_a_lesser_processor_that_torch_was_told_of_has_no_tiles(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not have_tiles.__wrapped__()


def test_where_there_is_no_loop_torch_attends_and_the_reason_is_told(monkeypatch):
    weight = torch.empty(1, 384)
    assert not no_loop()
    monkeypatch.setitem(sys.modules, "numba", None)
    no_loop.cache_clear()
    try:
        assert "numba cannot be loaded" in no_loop()
        assert attending(weight, 12) is None
        assert "torch's, slower than compiled loops: numba" in doctor.report()
    finally:
        no_loop.cache_clear()


def test_what_was_compiled_once_is_not_compiled_again(tmp_path):
    """In another process, which finds it beside the package."""
    code = """
from numba.core import event
from bench.backbones._cpu.attention import body_of
with event.install_recorder("numba:compile") as compiled:
    body_of(half=False, tiled=False)
print(len(compiled.buffer))
"""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    assert int(done.stdout) == 0


def test_what_was_compiled_for_narrower_registers_is_not_taken(monkeypatch):
    """numba would: to it the processor is the same."""
    wide = compiling.version_of(teams)
    monkeypatch.setattr(compiling, "LANES", 4)
    assert compiling.version_of(teams) != wide
