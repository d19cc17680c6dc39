"""Prefix tuning: what stands before the text is seen, learned, kept, and moves nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import (
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from bench.core.errors import NotApplicableError
from bench.core.method import Needs
from bench.core.task import Modality
from bench.methods import _trained as trained
from bench.methods import registry
from bench.methods._prefix import positions, with_prefix
from bench.methods.lora import SPEC, adapted, merged

LORA = registry()["lora"]
GIVEN = {**SPEC.defaults, "kind": "prefix", "prefix": 6}
SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@pytest.fixture
def context(kit):
    return kit.context(Modality.TEXT)


@pytest.fixture
def some(kit):
    return kit.splits[Modality.TEXT][0].inputs[:16]


def pooled(trainable, inputs):
    trainable.network.eval()
    batch = trainable.collate(trainable.prepare(inputs), np.arange(len(inputs)))
    with torch.no_grad():
        return trainable.network(batch).numpy()


def prefix_of(trainable):
    return {n: p for n, p in trainable.network.named_parameters() if p.requires_grad}


def test_only_the_prefix_may_change_and_it_does_something(context, some):
    trainable = context.trainable()
    pristine = pooled(trainable, some)
    adapted(trainable, GIVEN, 0)
    ((name, weight),) = prefix_of(trainable).items()
    assert "prompt_encoder" in name
    assert weight.shape == (6, 2 * 2 * 32)  # keys and values of two layers
    before = pooled(trainable, some)
    assert np.abs(before - pristine).max() > 1e-2
    with torch.no_grad():
        weight.mul_(3)
    assert np.abs(pooled(trainable, some) - before).max() > 1e-2


def test_what_predicts_is_the_network_with_its_prefix(context, some):
    """The packed forward pass reads a BERT's weights alone: it would leave the prefix out."""
    trainable = context.trainable()
    assert trainable.frozen(normalize=False).packs
    adapted(trainable, GIVEN, 0)
    expected = pooled(trainable, some)
    assert not trainable.frozen(normalize=False).packs
    head = trained.linear(32, context.classes, 0, "cpu")
    fitted = trained.finished(trainable, head, np.arange(context.classes), context)
    kept = merged(trainable, fitted)
    assert kept.facts()["bytes_adapter"] == 4 * 6 * 128
    features = trained.frozen_features(trainable, some, context, normalize=False)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_it_moves_no_position(context):
    """A text as long as the table of positions still fits."""
    trainable = context.trainable()
    adapted(trainable, GIVEN, 0)
    encoder = trainable.network.encoder
    seen = []
    encoder.prefixed.get_base_model().embeddings.position_embeddings.register_forward_hook(
        lambda _, given, __: seen.append(given[0])
    )
    with torch.no_grad():
        states = encoder(torch.full((2, 64), 5)).last_hidden_state
    assert states.shape == (2, 64, 32)
    assert torch.equal(seen[0], torch.arange(64).expand(2, -1))


def test_positions_of_roberta_count_from_its_pad():
    torch.manual_seed(0)
    encoder = RobertaModel(RobertaConfig(max_position_embeddings=20, pad_token_id=1, **SMALL))
    ids = torch.tensor([[0, 7, 8, 2, 1, 1], [0, 7, 8, 9, 9, 2]])
    assert positions(encoder, ids).tolist() == [[2, 3, 4, 5, 1, 1], [2, 3, 4, 5, 6, 7]]
    encoder = with_prefix(encoder, 4, 0).eval()
    mask = (ids != 1).long()
    alone = encoder(ids[:1, :4]).last_hidden_state
    padded = encoder(ids, attention_mask=mask).last_hidden_state[:1, :4]
    torch.testing.assert_close(alone, padded, atol=1e-5, rtol=0)


def nll(fitted, split) -> float:
    rows = fitted.predict(split.inputs).probabilities
    return float(-np.log(rows[np.arange(len(split)), split.targets]).mean())


def fit(context, train, **given):
    quick = {"least_steps": 1, "epochs": 1, "batch_size": 32, "learning_rate": 0.02}
    return LORA.fit({**GIVEN, **quick, **given}, train, None, context)


@pytest.mark.parametrize("needs", [Needs.MODULE, Needs.LANGUAGE])
def test_it_learns_in_encoders_and_decoders(kit, needs):
    train, test, _ = kit.splits[Modality.TEXT]
    context = kit.context(Modality.TEXT, needs)
    given = {"least_steps": 120, "head_learning_rate": 0.02}
    fitted = fit(context, train, learning_rate=0.3, **given)
    accuracy = (fitted.predict(test.inputs).classes == test.targets).mean()
    assert accuracy > np.bincount(test.targets).max() / len(test) + 0.1
    head_alone = fit(context, train, learning_rate=0.0, **given)
    assert nll(fitted, train) < nll(head_alone, train) - 0.3  # nats: the prefix, not the head
    assert fitted.size().trained == 6 * 128 + 32 * 4 + 4


def test_company_and_order_change_nothing(kit, context):
    train, test, _ = kit.splits[Modality.TEXT]
    fitted, some = fit(context, train), test.inputs[:20]
    together = fitted.predict(some).probabilities
    alone = np.concatenate([fitted.predict([text]).probabilities for text in some])
    turned = fitted.predict(some[::-1]).probabilities[::-1]
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(turned, together, atol=1e-5)


def test_the_seed_decides_and_a_fit_is_restored(kit, context, some):
    train = kit.splits[Modality.TEXT][0]
    fitted, again = fit(context, train), fit(context, train)
    expected = fitted.predict(some).probabilities
    np.testing.assert_array_equal(again.predict(some).probabilities, expected)
    other = kit.context(Modality.TEXT, seed=7)
    restored = LORA.restore(fitted.state(), GIVEN, other)
    np.testing.assert_allclose(restored.predict(some).probabilities, expected, atol=1e-5)
    assert restored.size().shipped == fitted.size().shipped


def test_it_trains_in_half_precision(kit):
    train = kit.splits[Modality.TEXT][0]
    fitted = fit(kit.context(Modality.TEXT, mixed="bf16"), train)
    fitted.predict(train.inputs[:4]).check(4, 4)


def test_images_are_refused(kit):
    train = kit.splits[Modality.IMAGE][0]
    with pytest.raises(NotApplicableError, match="ViTModel takes no past_key_values: lora"):
        fit(kit.context(Modality.IMAGE), train)


def test_encoders_that_take_no_keys_are_refused():
    distil = DistilBertConfig(vocab_size=50, dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    for encoder in (DistilBertModel(distil), MPNetModel(MPNetConfig(**SMALL))):
        with pytest.raises(NotApplicableError, match=f"{type(encoder).__name__} takes no past"):
            with_prefix(encoder, 4, 0)
