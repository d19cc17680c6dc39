"""Vision models by what stands before their patches, each against what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    DeiTConfig,
    DeiTModel,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    IJepaConfig,
    IJepaModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
)

from bench.backbones.patches import vision_features
from bench.core.backbone import Pooling

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "patch_size": 8,
}
MERGING = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
KINDS = {  # and how many states stand before the patches
    "vit": (ViTModel, ViTConfig(**SMALL), 1),
    "deit": (DeiTModel, DeiTConfig(**SMALL), 2),
    "registers": (
        Dinov2WithRegistersModel,
        Dinov2WithRegistersConfig(**SMALL, mlp_ratio=2, num_register_tokens=3),
        4,
    ),
    "ijepa": (IJepaModel, IJepaConfig(**SMALL), 0),
    "siglip": (SiglipVisionModel, SiglipVisionConfig(**SMALL), 0),
    "swin": (SwinModel, SwinConfig(image_size=32, patch_size=4, **MERGING), 0),
}


def made(model, config):
    torch.manual_seed(0)
    net = model(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) / 5)
    return net


def images(seed=0):
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def features(net, pooling):
    with torch.inference_mode():
        return vision_features(net, images(), pooling).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_patches_are_pooled_and_nothing_else(kind):
    model, config, before = KINDS[kind]
    net = made(model, config)
    with torch.inference_mode():
        output = net(pixel_values=images())
    states, own = output.last_hidden_state.numpy(), getattr(output, "pooler_output", None)
    mean = states[:, before:].mean(axis=1)
    one = states[:, 0] if before else mean if own is None else own.numpy()
    np.testing.assert_allclose(features(net, Pooling.MEAN), mean, atol=1e-6)
    np.testing.assert_allclose(features(net, Pooling.CLS), one, atol=1e-6)
    both = features(net, Pooling.CLS_MEAN)
    np.testing.assert_allclose(both, np.concatenate([one, mean], axis=1), atol=1e-6)


def test_clips_states_are_normed_as_its_class_token_is():
    net = made(CLIPVisionModel, CLIPVisionConfig(**SMALL))
    with torch.inference_mode():
        output = net(pixel_values=images())
        inner = getattr(net, "vision_model", net)
        mean = inner.post_layernorm(output.last_hidden_state)[:, 1:].mean(dim=1)
    np.testing.assert_allclose(features(inner, Pooling.CLS), output.pooler_output, atol=1e-6)
    np.testing.assert_allclose(features(inner, Pooling.MEAN), mean, atol=1e-6)


def test_a_masked_autoencoder_sees_the_whole_image_and_each_time_the_same():
    net = made(ViTMAEModel, ViTMAEConfig(**SMALL))
    first, second = features(net, Pooling.CLS), features(net, Pooling.CLS)
    np.testing.assert_array_equal(first, second)
    with torch.inference_mode():
        whole = net(pixel_values=images()).last_hidden_state  # in another order of patches
    assert whole.shape[1] == 17
    np.testing.assert_allclose(first, whole[:, 0], atol=1e-5)
