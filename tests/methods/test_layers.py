"""Parts of tiny real networks, told apart without knowing their architecture."""

from __future__ import annotations

import pytest
import torch

from bench.core.errors import NotApplicableError
from bench.core.method import Needs
from bench.core.task import Modality
from bench.methods._layers import blocks, depths, groups, train_only
from bench.methods._trained import linear

BOTH = pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])


@pytest.fixture
def encoder(kit, modality):
    return kit.context(modality, Needs.MODULE).trainable().network.encoder


def chosen(encoder):
    return {name for name, p in encoder.named_parameters() if p.requires_grad}


@BOTH
def test_the_blocks_are_the_layers_of_the_network(encoder):
    name, found = blocks(encoder)
    assert len(found) == encoder.config.num_hidden_layers == 2
    assert encoder.get_submodule(name)[0] is found[0]


@BOTH
def test_depth_rises_from_the_embeddings_to_what_follows_the_blocks(encoder):
    name, _ = blocks(encoder)
    found = depths(encoder)
    assert set(found) == {n for n, _ in encoder.named_parameters()}
    assert {d for n, d in found.items() if n.startswith("embeddings")} == {0}
    assert {d for n, d in found.items() if n.startswith(f"{name}.0.")} == {1}
    assert {d for n, d in found.items() if n.startswith(f"{name}.1.")} == {2}
    rest = {d for n, d in found.items() if not n.startswith(("embeddings", f"{name}."))}
    assert rest <= {3}


@BOTH
@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_the_last_blocks_and_what_comes_after_them(encoder, count):
    """Of two blocks: more than there are is both, and never what is before them."""
    train_only(encoder, f"last-{count}")
    deep = depths(encoder)
    assert chosen(encoder) == {name for name, depth in deep.items() if depth > max(0, 2 - count)}


@BOTH
def test_all_biases_norms_or_none(encoder):
    names = {name for name, _ in encoder.named_parameters()}
    train_only(encoder, "all")
    assert chosen(encoder) == names
    train_only(encoder, "bias")
    assert chosen(encoder) == {name for name in names if name.endswith("bias")}
    train_only(encoder, "norm")
    assert chosen(encoder) == {name for name in names if "layernorm" in name.lower()}
    train_only(encoder, "head")
    assert chosen(encoder) == set()
    train_only(encoder, "all")  # what was put aside comes back
    assert chosen(encoder) == names


@pytest.mark.parametrize("modality", [Modality.TEXT])
def test_counts_are_those_of_the_configuration(encoder):
    d, middle, layers = 32, 64, 2
    train_only(encoder, "bias")
    counted = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    layer = 4 * d + d + middle + d + d  # attention's four, its norm, both of the middle, a norm
    assert counted == d + layers * layer  # and the norm of the embeddings; no pooler, none reads it
    train_only(encoder, "norm")
    counted = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert counted == 2 * d + layers * 2 * 2 * d


def test_a_network_without_such_parts_is_refused():
    plain = torch.nn.Linear(3, 4, bias=False)
    with pytest.raises(NotApplicableError, match="no list of layers"):
        blocks(plain)
    for what in ("bias", "norm"):
        with pytest.raises(NotApplicableError, match=what):
            train_only(plain, what)


@BOTH
def test_each_block_learns_slower_than_the_one_above(encoder):
    head = linear(32, 4, 0, "cpu")
    found = groups(encoder, head, (1e-3, 1e-2), 0.5, 0.1)
    rates = {id(p): group["lr"] for group in found for p in group["params"]}
    deep, top = depths(encoder), 3
    for name, parameter in encoder.named_parameters():
        assert rates[id(parameter)] == pytest.approx(1e-3 * 0.5 ** (top - deep[name]))
    assert {rates[id(p)] for p in head.parameters()} == {1e-2}
    assert len(rates) == sum(1 for _ in (*encoder.parameters(), *head.parameters()))


@BOTH
def test_biases_and_norms_do_not_decay(encoder):
    head = linear(32, 4, 0, "cpu")
    for group in groups(encoder, head, (1e-3, 1e-2), 1.0, 0.1):
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


@BOTH
def test_what_is_frozen_is_in_no_group(encoder):
    train_only(encoder, "last-1")
    head = linear(32, 4, 0, "cpu")
    found = groups(encoder, head, (1e-3, 1e-2), 0.9, 0.0)
    ids = {id(p) for group in found for p in group["params"]}
    expected = [p for p in encoder.parameters() if p.requires_grad] + list(head.parameters())
    assert ids == {id(p) for p in expected}
