"""Packed and fused is the same as transformers' own forward pass, for each text by itself."""

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

from bench.backbones.fused import attend, fuse
from bench.backbones.pooling import pool_groups
from bench.core.backbone import Pooling

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
    torch.manual_seed(3)
    model, config = KINDS[kind]
    return model(config(**{**SMALL, **more})).eval()


def tokens(seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(2, 50, n) for texts, n in GROUPS for _ in range(texts)]
    rows[1][3] = 1  # what RoBERTa takes for padding, in the middle of a text
    return [torch.from_numpy(row) for row in rows]


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


@pytest.mark.parametrize("length", [5, 200])
@pytest.mark.parametrize("biased", [False, True])
def test_attention_is_torchs_at_every_length(length, biased):
    torch.manual_seed(0)
    mixed = torch.randn(3, 2, 4, length, 8)
    bias = torch.randn(1, 4, length, length) if biased else None
    wanted = torch.nn.functional.scaled_dot_product_attention(*mixed, attn_mask=bias)
    np.testing.assert_allclose(attend(mixed, bias), wanted, atol=1e-5)


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
