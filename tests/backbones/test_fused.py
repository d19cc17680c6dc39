"""Packed and fused is the same as transformers' own forward pass, for each text by itself."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from bench.backbones.attention import by_length, over_all, varlen_kernel
from bench.backbones.fused import fuse
from bench.backbones.layers import inside
from bench.backbones.loops import activating
from bench.backbones.pooling import pool_groups, pool_packed
from bench.core.backbone import Pooling
from bench.measure import Fusion

SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "initializer_range": 0.5,  # large enough for each part to matter
}
KINDS = {
    "bert": (BertModel, BertConfig),
    "roberta": (RobertaModel, RobertaConfig),
    "mpnet": (MPNetModel, MPNetConfig),
}
GROUPS = [(2, 17), (3, 9), (1, 5), (4, 3)]


def made(kind, **more):
    torch.manual_seed(more.pop("seed", 3))
    model, config = KINDS[kind]
    return model(config(**{**SMALL, **more})).eval()


def tokens(seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(2, 50, n) for texts, n in GROUPS for _ in range(texts)]
    rows[1][3] = 1  # what RoBERTa takes for padding, in the middle of a text
    return [torch.from_numpy(row) for row in rows]


def one_by_one(model, rows):
    """What transformers' own forward pass gives."""
    return torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in rows])


def shifted(model):
    """With biases and norms as training leaves them: a new model has none of either."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.add_(torch.randn_like(parameter) / 4)
    return model


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kind", KINDS)
def test_each_text_is_as_if_it_were_alone(kind, dtype, most):
    model, rows = made(kind).to(dtype), tokens()
    with torch.inference_mode():
        found = fuse(model)(torch.cat(rows), GROUPS).split([len(row) for row in rows])
        for row, states in zip(rows, found, strict=True):
            wanted = model(input_ids=row[None]).last_hidden_state[0]
            assert (states - wanted).abs().max() / wanted.abs().max() < most


@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_it_is_as_near_to_the_truth_as_the_usual_way(kind):
    model, rows = made(kind), tokens()
    with torch.inference_mode():
        true = torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in rows])
        model.to(torch.bfloat16)
        usual = torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in rows])
        found = fuse(model)(torch.cat(rows), GROUPS)
    assert (found - true).norm() < 1.2 * (usual - true).norm()


@pytest.mark.parametrize("kind", KINDS)
def test_texts_do_not_see_each_other(kind):
    model, one, other = made(kind), tokens(), tokens(seed=1)
    with torch.inference_mode():
        first = fuse(model)(torch.cat([one[0], *one[1:]]), GROUPS)
        second = fuse(model)(torch.cat([one[0], *other[1:]]), GROUPS)
    np.testing.assert_allclose(first[:17], second[:17], atol=1e-6)
    assert (first[17:] - second[17:]).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_values_too_large_beside_powers_of_two_are_attended_by_softmax(kind):
    """Scores of 100 bits are held, and so are values of 10^9, but not their product."""
    model, rows = made(kind), tokens()
    attention = model.encoder.layer[0].attention
    query, key, value = (
        (attention.attn.q, attention.attn.k, attention.attn.v)
        if kind == "mpnet"
        else (attention.self.query, attention.self.key, attention.self.value)
    )
    with torch.inference_mode():
        for layer, add in ((query, 5.0), (key, 5.0), (value, 1e9)):
            layer.weight.mul_(1e-3)
            layer.bias.fill_(add)
        found = fuse(model)(torch.cat(rows), GROUPS).split([len(row) for row in rows])
        for row, states in zip(rows, found, strict=True):
            wanted = model(input_ids=row[None]).last_hidden_state[0]
            np.testing.assert_allclose(states, wanted, atol=1e-4)


def one_text_at_a_time(q, k, v, begins, ends, longest, longest_too):
    """What a varlen kernel has to give, from its arguments alone."""
    assert begins is ends
    assert longest == longest_too == int(begins.diff().max())
    parts = []
    for start, stop in pairwise(begins.tolist()):
        of = [x[start:stop].transpose(0, 1) for x in (q, k, v)]
        parts.append(torch.nn.functional.scaled_dot_product_attention(*of).transpose(0, 1))
    return torch.cat(parts)


def offsets_of(groups):
    lengths = torch.tensor([0, *(length for n, length in groups for _ in range(n))])
    return lengths.cumsum(0).int()


def test_one_kernel_over_all_texts_sees_what_each_length_does():
    torch.manual_seed(0)
    mixed = torch.randn(int(offsets_of(GROUPS)[-1]), 3 * 32)
    usual = by_length(GROUPS, 4, [None] * len(GROUPS))(mixed)
    found = over_all(offsets_of(GROUPS), GROUPS[0][1], 4, one_text_at_a_time)(mixed)
    np.testing.assert_allclose(found, usual, atol=1e-6)


def test_with_a_varlen_kernel_the_states_are_the_same(monkeypatch):
    model, ids = made("bert"), torch.cat(tokens())
    with torch.inference_mode():
        usual = fuse(model)(ids, GROUPS)
        monkeypatch.setattr("bench.backbones.fused.varlen_kernel", lambda *_: one_text_at_a_time)
        packed = fuse(model)
        assert packed.varlen
        np.testing.assert_allclose(packed(ids, GROUPS, offsets_of(GROUPS)), usual, atol=1e-5)


def test_a_cpu_has_no_varlen_kernel():
    assert varlen_kernel(torch.zeros(10, 32, dtype=torch.bfloat16), 4) is None
    assert not fuse(made("bert")).varlen


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """A GPU's way of layers, here by a CPU's products."""
    monkeypatch.setattr("bench.backbones.fused.way_for", lambda *_: inside)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_residual_inside_the_product_before_it_is_the_same(kind, dtype, most, as_on_a_gpu):
    model, ids = shifted(made(kind)).to(dtype), torch.cat(tokens())
    with torch.inference_mode():
        found = fuse(model)(ids, GROUPS)
        wanted = one_by_one(model, tokens())
    assert (found - wanted).abs().max() / wanted.abs().max() < most


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_in_bfloat16_as_near_to_the_truth(kind, as_on_a_gpu):
    """In the mean of some texts and weights: one alone is nearer or farther by half."""
    farther = []
    for seed in range(4):
        model, rows = shifted(made(kind, seed=seed)), tokens(seed)
        with torch.inference_mode():
            true = one_by_one(model, rows)
            usual = one_by_one(model.to(torch.bfloat16), rows)
            found = fuse(model)(torch.cat(rows), GROUPS)
        farther.append(float((found - true).norm() / (usual - true).norm()))
    assert np.exp(np.mean(np.log(farther))) < 1.2


def test_so_are_no_sums_of_their_own(as_on_a_gpu):
    """A residual takes no step: what is left is products, norms, GELU and attention."""
    model = made("bert")
    forward, ids = fuse(model), torch.cat(tokens())
    with torch.inference_mode(), torch.profiler.profile() as trace:
        forward(ids, GROUPS)
    ran = {event.key: event.count for event in trace.key_averages()}
    assert forward.fusion == Fusion(projections=True, residual=True)
    assert ran["aten::addmm_"] == 2 * SMALL["num_hidden_layers"]
    assert ran["aten::add_"] == 1  # positions, once


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_it_is_the_same(kind):
    """Without code generation: what Dynamo traces, for texts of other lengths, too."""
    model, ids = made(kind), torch.cat(tokens())
    with torch.inference_mode():
        compiled, usual = fuse(model, "eager"), fuse(model)
        for groups, some in ((GROUPS, ids), (GROUPS[:2], ids[:61])):
            np.testing.assert_allclose(compiled(some, groups), usual(some, groups), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_it_tells_which_steps_are_one(dtype):
    """By the operators that run; a loop of this project's is none of them."""
    model = made("bert").to(dtype)
    forward = fuse(model)
    with torch.inference_mode(), torch.profiler.profile() as trace:
        forward(torch.cat(tokens()), GROUPS)
    ran = {event.key for event in trace.key_averages()}
    assert forward.fusion.projections
    assert ("aten::layer_norm" in ran) == (not forward.fusion.residual)
    loop = activating(model.encoder.layer[0].intermediate.dense.weight)
    inside = "mkldnn::_linear_pointwise" in ran and loop is None
    assert forward.fusion.activation == inside
    assert not (inside and "aten::gelu" in ran)
    assert fuse(model, "eager").fusion == Fusion(projections=True, residual=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_on_a_gpu_the_packed_kernel_is_as_near_to_the_truth_as_lengths_apart(dtype):
    model = shifted(made("bert", hidden_size=128, num_attention_heads=4)).cuda()
    rows = [row.cuda() for row in tokens()]
    ids, offsets = torch.cat(rows), offsets_of(GROUPS).cuda()
    with torch.inference_mode():
        true = one_by_one(model, rows)
        full = fuse(model)(ids, GROUPS)
        half = fuse(model.to(dtype))
        assert half.varlen
        apart, packed = half(ids, GROUPS), half(ids, GROUPS, offsets)
        compiled = fuse(model, "inductor")(ids, GROUPS, offsets)
        usual = (one_by_one(model, rows) - true).norm()
    assert (full - true).norm() < 1e-4 * true.norm()
    assert (apart - true).norm() < 1.4 * usual
    assert (packed - true).norm() < 1.4 * usual
    assert (compiled - true).norm() < 1.4 * usual


def test_other_architectures_are_left_alone():
    config = DistilBertConfig(vocab_size=50, dim=32, n_layers=1, n_heads=4, hidden_dim=48)
    assert fuse(DistilBertModel(config)) is None
    assert fuse(made("bert", hidden_act="relu")) is None
    assert fuse(made("bert", is_decoder=True)) is None


@pytest.mark.parametrize("pooling", [Pooling.MEAN, Pooling.CLS, Pooling.LAST])
def test_pooling_of_groups_is_that_of_each_text(pooling):
    states = torch.randn(sum(n * length for n, length in GROUPS), 8)
    parts = states.split([length for n, length in GROUPS for _ in range(n)])
    pick = {Pooling.MEAN: lambda x: x.mean(0), Pooling.CLS: lambda x: x[0]}
    wanted = torch.stack([pick.get(pooling, lambda x: x[-1])(part) for part in parts])
    np.testing.assert_allclose(pool_groups(states, GROUPS, pooling), wanted, atol=1e-6)


@pytest.mark.parametrize(
    "pooling", [Pooling.MEAN, Pooling.MAX, Pooling.CLS, Pooling.LAST, Pooling.STATS]
)
@pytest.mark.parametrize("groups", [GROUPS, GROUPS[:1]])
def test_packed_pooling_is_that_of_groups(pooling, groups):
    states = torch.randn(sum(n * length for n, length in groups), 8, dtype=torch.bfloat16)
    found = pool_packed(states, offsets_of(groups), groups, pooling)
    np.testing.assert_allclose(found, pool_groups(states, groups, pooling), atol=1e-6)
