"""Shapes: the architectures that they say, on the same path as trained models, and in no table."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from bench.backbones import registry
from bench.backbones.compiled import compile_forward
from bench.backbones.shapes import (
    BERT_BASE,
    MINILM_L6,
    SHAPES,
    VIT_B16,
    WAV2VEC2_BASE,
)
from bench.core.backbone import Weights
from bench.core.errors import SuiteError, UserError
from bench.core.suite import Precision
from bench.core.task import Modality
from bench.extract import extract
from tests.backbones.tiny import SMALL
from tests.runner.conftest import digits, plan_of

FIGURES = (
    {"vocab_size": 200, "max_position_embeddings": 512},
    {"image_size": 224, "patch_size": 56},
    {
        "conv_dim": [8, 8],
        "conv_kernel": [10, 8],
        "conv_stride": [5, 4],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    },
)
slow = pytest.mark.slow  # its convolutions take as long to compile as the other two
TINY = [
    dataclasses.replace(
        plugin,
        figures={**SMALL, **figures},
        spec=dataclasses.replace(plugin.spec, width=16),
        length=1 if plugin is WAV2VEC2_BASE else plugin.length,
    )
    for plugin, figures in zip((BERT_BASE, VIT_B16, WAV2VEC2_BASE), FIGURES, strict=True)
]


def id_of(plugin):
    return plugin.spec.name


@pytest.mark.parametrize("plugin", SHAPES.values(), ids=id_of)
def test_the_architecture_has_the_parameters_that_are_published(plugin):
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(plugin.kind, **plugin.figures))
    assert sum(p.numel() for p in model.parameters()) == plugin.spec.parameters
    assert model.config.hidden_size == plugin.spec.width


@pytest.mark.parametrize("plugin", SHAPES.values(), ids=id_of)
def test_its_flops_are_those_that_torch_counts(plugin):
    config = AutoConfig.for_model(plugin.kind, **plugin.figures)
    with torch.device("meta"):
        model = AutoModel.from_config(config, attn_implementation="eager").eval()
        given = {
            Modality.TEXT: {"input_ids": torch.ones(1, 128, dtype=torch.long)},
            Modality.IMAGE: {"pixel_values": torch.ones(1, 3, 224, 224)},
            Modality.AUDIO: {"input_values": torch.ones(1, 160_000)},
        }[plugin.spec.modality]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(**given)
    units = 1 if plugin.spec.modality is Modality.IMAGE else plugin.length
    assert counter.get_total_flops() / units == pytest.approx(plugin.spec.flops_per_unit, rel=0.02)


def test_the_shape_of_minilm_is_that_of_the_real_one():
    real = registry()["minilm-l6"].spec
    assert (MINILM_L6.spec.parameters, MINILM_L6.spec.width) == (real.parameters, real.width)


@pytest.mark.parametrize("plugin", TINY, ids=id_of)
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_features_are_finite_and_each_inputs_own(plugin, precision):
    backbone = plugin.load("cpu", precision, [])
    inputs = plugin.inputs(5)
    found = extract(backbone, inputs, "cpu", budget=300).features
    assert found.shape == (5, 16)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.std(axis=0).max() > 1e-4
    if precision is Precision.FP32:
        turned = extract(backbone, inputs[::-1], "cpu").features[::-1]
        np.testing.assert_allclose(turned, found, atol=1e-5)


@pytest.mark.parametrize("plugin", TINY, ids=id_of)
def test_weights_are_the_same_each_time(plugin):
    inputs = plugin.inputs(1)
    one, other = (extract(plugin.load("cpu", Precision.FP32, []), inputs, "cpu") for _ in range(2))
    np.testing.assert_array_equal(one.features, other.features)


def test_texts_go_through_the_fused_path_and_agree_with_the_usual_one():
    backbone = TINY[0].load("cpu", Precision.FP32, [])
    assert backbone.packs
    inputs = [ids[:n] for ids, n in zip(TINY[0].inputs(4), (128, 7, 7, 3), strict=True)]
    found = extract(backbone, inputs, "cpu")
    np.testing.assert_array_equal(found.lengths, [128, 7, 7, 3])
    assert found.padding_share == 0
    with torch.inference_mode():
        for row, ids in zip(found.features, inputs, strict=True):
            states = backbone.module()(torch.from_numpy(ids)[None].long()).last_hidden_state
            np.testing.assert_allclose(row, states[0].mean(0), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Dynamo detected a call")  # to caches inside transformers
@pytest.mark.parametrize("plugin", [*TINY[:2], pytest.param(TINY[2], marks=slow)], ids=id_of)
def test_compiled_it_is_the_same(plugin):
    """Without code generation: what is under test is that every forward pass can be traced."""
    torch._dynamo.reset()
    inputs = plugin.inputs(3)
    usual = extract(plugin.load("cpu", Precision.FP32, []), inputs, "cpu").features
    compiled = compile_forward(plugin.load("cpu", Precision.FP32, []), "eager")
    counter = torch._dynamo.testing.CompileCounter()
    counted = compile_forward(plugin.load("cpu", Precision.FP32, []), counter)
    np.testing.assert_allclose(extract(compiled, inputs, "cpu").features, usual, atol=1e-5)
    extract(counted, inputs, "cpu")
    assert counter.frame_count > 0
    copy.deepcopy(compiled.module())  # what is trained is a copy


def test_a_longer_text_is_cut():
    backbone = TINY[0].load("cpu", Precision.FP32, [])
    prepared = backbone.prepare([np.arange(600, dtype=np.int32) % 200, np.arange(3)])
    np.testing.assert_array_equal(prepared.lengths, [512, 3])
    np.testing.assert_array_equal(prepared.truncated, [True, False])
    assert len(backbone.prepare([]).lengths) == 0


@pytest.mark.parametrize("plugin", SHAPES.values(), ids=id_of)
def test_inputs_differ_and_have_the_length_that_was_asked(plugin):
    length = {Modality.TEXT: 17, Modality.IMAGE: 224, Modality.AUDIO: 2}[plugin.spec.modality]
    inputs = plugin.inputs(3, length)
    size = {Modality.TEXT: 17, Modality.IMAGE: 224, Modality.AUDIO: 32_000}[plugin.spec.modality]
    assert {len(item) for item in inputs} == {size}
    assert len({item.tobytes() for item in inputs}) == 3
    np.testing.assert_array_equal(inputs[0], plugin.inputs(1, length)[0])


@pytest.mark.parametrize(
    ("plugin", "length", "says"),
    [
        (BERT_BASE, 513, "1 to 512 tokens, not 513"),
        (BERT_BASE, 0, "1 to 512 tokens, not 0"),
        (WAV2VEC2_BASE, 61, "1 to 60 seconds, not 61"),
        (VIT_B16, 112, "images of 224 a side"),
    ],
)
def test_lengths_that_cannot_be(plugin, length, says):
    with pytest.raises(UserError, match=says):
        plugin.inputs(1, length)


def test_no_shape_is_a_backbone_of_a_suite():
    assert not set(SHAPES) & set(registry())
    assert all(plugin.spec.weights is Weights.RANDOM for plugin in SHAPES.values())
    with pytest.raises(SuiteError, match="no place in a table of scores") as error:
        plan_of({**digits(), "backbone": [{"name": "shape:vit-b16"}]})
    assert [mistake.where for mistake in error.value.mistakes] == ["backbone[0].name"]
