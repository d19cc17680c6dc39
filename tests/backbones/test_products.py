"""oneDNN's products are torch's, forward and backward, and step aside where they are none."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from bench.backbones.products import speed_up
from bench.core.method import Needs
from bench.core.task import Modality
from tests.trainable import Kit


def layers(bias: bool = True):
    """A layer as torch has it and one that multiplies by oneDNN, with the same weights."""
    torch.manual_seed(0)
    usual = torch.nn.Linear(24, 40, bias=bias)
    fast = speed_up(copy.deepcopy(usual))
    assert type(fast) is not torch.nn.Linear
    assert isinstance(fast, torch.nn.Linear)
    return usual, fast


def close(found, wanted):
    np.testing.assert_allclose(found.detach(), wanted.detach(), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(24,), (1, 24), (7, 24), (3, 5, 24), (2, 3, 4, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_torchs(shape, bias):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = []
    for layer in layers(bias):
        inputs = x.clone().requires_grad_()
        out = layer(inputs)
        (out.sin() * out).sum().backward()
        found.append((out, inputs.grad, *(p.grad for p in layer.parameters())))
        with torch.inference_mode():
            close(layer(x), out)
    for usual, fast in zip(*found, strict=True):
        assert fast.shape == usual.shape
        close(fast, usual)


def test_inputs_that_are_views_and_one_weight_twice():
    x = torch.randn(6, 5, 48, generator=torch.Generator().manual_seed(1))[:, :, ::2].transpose(0, 1)
    square = torch.nn.Linear(24, 24)
    found = []
    for layer in (square, speed_up(copy.deepcopy(square))):
        layer(layer(x).tanh()).square().sum().backward()
        found.append([p.grad for p in layer.parameters()])
    for usual, fast in zip(*found, strict=True):
        close(fast, usual)


def test_what_comes_out_may_be_written_into():
    x = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(1))
    found = []
    for layer in layers():
        out = layer(x)
        out[:, 1:3] = 0.5  # as a model does that masks spans in training
        out.square().sum().backward()
        found.append((out, *(p.grad for p in layer.parameters())))
    for usual, fast in zip(*found, strict=True):
        close(fast, usual)


def test_what_does_not_learn_has_no_gradient():
    _, layer = layers()
    layer.weight.requires_grad_(False)
    x = torch.randn(4, 24, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    assert x.grad is not None


def test_elsewhere_layers_do_what_they_always_do():
    usual, fast = layers()
    x = torch.randn(4, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fast(x), usual(x))
        assert fast(x).dtype == torch.bfloat16
    for kind in (torch.float64, torch.bfloat16):
        assert torch.equal(fast.to(kind)(x.to(kind)), usual.to(kind)(x.to(kind)))


def test_a_copy_has_it_too_and_what_is_saved_is_the_same():
    usual, fast = layers()
    assert type(copy.deepcopy(fast)) is type(fast)
    assert fast.state_dict().keys() == usual.state_dict().keys()
    assert speed_up(copy.deepcopy(fast)).state_dict().keys() == usual.state_dict().keys()


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE, Modality.AUDIO])
def test_networks_to_be_trained_multiply_so(tmp_path, modality):
    network = Kit(tmp_path).context(modality, Needs.MODULE).trainable().network
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    assert linear
    assert {type(m) for m in linear} == {type(layers()[1])}
