"""Adapters: merged they are what they were, they are small, and every kind works."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.backbones.shapes import MINILM_L6, VIT_B16
from bench.core.errors import NotApplicableError
from bench.core.method import Needs
from bench.core.suite import Precision
from bench.core.task import Modality
from bench.methods import _trained as trained
from bench.methods import registry
from bench.methods._layers import groups
from bench.methods.lora import SPEC, adapted, merged, targets

BOTH = pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])
KINDS = pytest.mark.parametrize("kind", ["lora", "dora", "ia3"])


def shaken(trainable):
    """Adapters that do something: they begin as nothing."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in trainable.network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))


def changing(trainable):
    return {n: p for n, p in trainable.network.named_parameters() if p.requires_grad}


def merge(trainable, context):
    head = trained.linear(32, context.classes, 0, "cpu")
    fitted = trained.finished(trainable, head, np.arange(context.classes), context)
    return merged(trainable, fitted)


def pooled(trainable, inputs):
    trainable.network.eval()
    batch = trainable.collate(trainable.prepare(inputs), np.arange(len(inputs)))
    with torch.no_grad():
        return trainable.network(batch).numpy()


@pytest.mark.parametrize(("kind", "points"), [("lora", 5), ("dora", 5), ("ia3", 4), ("prefix", 3)])
def test_no_trial_is_spent_on_what_a_kind_does_not_look_at(kind, points):
    found = SPEC.points({"kind": kind}, 10)
    assert len(found) == points
    assert len(SPEC.points({}, 10)) == len(SPEC.search_space)


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3", "prefix"])
def test_what_a_kind_does_not_look_at_changes_nothing(kit, kind):
    context = kit.context(Modality.TEXT)
    plain = {**SPEC.defaults, "kind": kind}
    other = {"rank": 2, "alpha": 9, "targets": "attention", "adapter_dropout": 0.5, "prefix": 3}
    idle = {name: other[name] for name in set(plain) - set(SPEC.looked_at(plain))}
    assert idle
    found = []
    for parameters in (plain, {**plain, **idle}):
        trainable = context.trainable()
        adapted(trainable, parameters, 0)
        torch.manual_seed(1)
        trainable.network.train()
        batch = trainable.collate(trainable.prepare(["pay me back"]), np.zeros(1, dtype=np.int64))
        found.append(trainable.network(batch).detach().numpy())
    np.testing.assert_array_equal(*found)


@BOTH
@KINDS
def test_merged_predictions_equal_the_unmerged(kit, modality, kind):
    context, some = kit.context(modality), kit.splits[modality][0].inputs[:16]
    trainable = context.trainable()
    pristine = pooled(trainable, some)
    adapted(trainable, {**SPEC.defaults, "kind": kind}, 0)
    np.testing.assert_allclose(pooled(trainable, some), pristine, atol=1e-5)  # not yet trained
    shaken(trainable)
    before = pooled(trainable, some)
    assert np.abs(before - pristine).max() > 1e-2
    judged = trained.frozen_features(trainable, some, context, normalize=False)
    np.testing.assert_allclose(judged, before, atol=1e-5)  # what early stopping looks at
    merge(trainable, context)
    np.testing.assert_allclose(pooled(trainable, some), before, atol=1e-5)
    after = trained.frozen_features(trainable, some, context, normalize=False)
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_merged_texts_take_the_fast_path_again(kit):
    context = kit.context(Modality.TEXT)
    trainable = context.trainable()
    assert trainable.frozen(normalize=False).packs
    adapted(trainable, SPEC.defaults, 0)
    assert not trainable.frozen(normalize=False).packs
    merge(trainable, context)
    assert trainable.frozen(normalize=False).packs
    assert not any("lora" in name for name, _ in trainable.network.named_parameters())


@BOTH
@KINDS
def test_only_adapters_may_change(kit, modality, kind):
    context = kit.context(modality)
    trainable = context.trainable()
    adapted(trainable, {**SPEC.defaults, "kind": kind}, 0)
    found = changing(trainable)
    assert all(f"{'ia3' if kind == 'ia3' else 'lora'}_" in name for name in found)
    size = sum(p.numel() * p.element_size() for p in found.values())
    assert merge(trainable, context).facts()["bytes_adapter"] == size


@BOTH
def test_ia3_scales_keys_values_and_the_middle_of_the_feed_forward_part(kit, modality):
    trainable = kit.context(modality).trainable()
    adapted(trainable, {**SPEC.defaults, "kind": "ia3"}, 0)
    sizes = [p.numel() for p in trainable.network.parameters() if p.requires_grad]
    assert sorted(sizes) == [32, 32, 32, 32, 64, 64]  # two layers of width 32 with middles of 64


@BOTH
@KINDS
def test_scales_do_not_decay_towards_nothing_and_adapters_do(kit, modality, kind):
    trainable = kit.context(modality).trainable()
    adapted(trainable, {**SPEC.defaults, "kind": kind}, 0)
    encoder = trainable.network.encoder
    head = torch.nn.ModuleList()
    decays = {
        id(p): group["weight_decay"]
        for group in groups(encoder, head, (1e-3, 1e-3), 1.0, 0.1)
        for p in group["params"]
    }
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            still = kind == "ia3" or "magnitude" in name
            assert decays[id(parameter)] == (0.0 if still else 0.1)


@BOTH
def test_what_is_adapted_is_every_linear_layer_or_those_of_attention(kit, modality):
    encoder = kit.context(modality).trainable().network.encoder
    every, attention = targets(encoder, "all"), targets(encoder, "attention")
    assert len(every) == 2 * 6
    assert len(attention) == 2 * 4
    assert set(attention) < set(every)


def test_a_network_without_linear_layers_is_refused():
    plain = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.Conv2d(1, 1, 3))
    with pytest.raises(NotApplicableError):
        targets(torch.nn.ModuleDict({"body": plain}), "all")


@pytest.mark.parametrize("shape", [MINILM_L6, VIT_B16], ids=lambda shape: shape.spec.name)
def test_at_rank_8_less_than_2_percent_are_trained(shape):
    """On the real architectures, without the weights' values."""
    for what in ("attention", "all"):
        with torch.device("meta"):
            encoder = shape.load("meta", Precision.FP32, []).module()
        whole = sum(p.numel() for p in encoder.parameters())
        assert whole == shape.spec.parameters
        trainable = SimpleNamespace(network=torch.nn.Module())
        trainable.network.encoder = encoder
        adapted(trainable, {**SPEC.defaults, "targets": what}, 0)
        assert 0 < sum(p.numel() for p in changing(trainable).values()) / whole < 0.02


@KINDS
def test_sizes_are_those_of_adapters_and_head(kit, kind):
    train, test, _ = kit.splits[Modality.TEXT]
    quick = {"least_steps": 2, "epochs": 1, "batch_size": 64, "kind": kind, "rank": 4}
    method = registry()["lora"]
    context = kit.context(Modality.TEXT, Needs.MODULE)
    fitted = method.fit({**method.spec.defaults, **quick}, train, None, context)
    fitted.predict(test.inputs).check(len(test), 4)
    adapter, head = fitted.facts()["bytes_adapter"], 32 * 4 + 4
    assert fitted.size().shipped == adapter + 4 * head
    assert fitted.size().trained == adapter // 4 + head
    if kind == "lora":  # rank x (in + out) of six layers in each of two blocks
        assert adapter == 4 * 2 * 4 * (4 * (32 + 32) + 2 * (32 + 64))


@pytest.mark.parametrize("name", ["lora", "finetune", "reinforce-lora"])
def test_a_decoder_is_adapted_like_an_encoder(kit, name):
    """A language model's hidden states are pooled, and its layers adapted, as an encoder's are."""
    train, test, _ = kit.splits[Modality.TEXT]
    method = registry()[name]
    quick = {"learning_rate": 3e-3, "batch_size": 32}
    quick |= {"feedbacks": 3000} if name == "reinforce-lora" else {"least_steps": 60}
    context = kit.context(Modality.TEXT, Needs.LANGUAGE)
    before = context.trainable()
    fitted = method.fit({**method.spec.defaults, **quick}, train, None, context)
    assert "GPT2" in type(before.network.encoder).__name__
    accuracy = (fitted.predict(test.inputs).classes == test.targets).mean()
    assert accuracy > np.bincount(test.targets).max() / len(test) + 0.05
