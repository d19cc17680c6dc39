"""The loop that all training shares: batches, its length, stopping early, and its arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.core.errors import DivergedError
from bench.core.method import Needs
from bench.core.predictions import softmax
from bench.core.task import Modality, Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods import registry
from bench.methods._trained import with_validation
from bench.methods._training import Recipe, batches

BOTH = pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])
QUICK = {"least_steps": 1, "epochs": 1, "batch_size": 32, "learning_rate": 1e-3}


def finetuned(kit, modality, train, validation=None, *, mixed=None, **more):
    method = registry()["finetune"]
    parameters = {**method.spec.defaults, **QUICK, **more}
    context = kit.context(modality, Needs.MODULE, mixed=mixed)
    return method.fit(parameters, train, validation, context)


@given(
    st.lists(st.integers(1, 64), min_size=1, max_size=400),
    st.integers(1, 50),
    st.integers(0, 2**32),
)
def test_every_item_stands_in_one_batch_and_none_is_larger_than_asked(lengths, size, seed):
    found = list(batches(np.array(lengths), size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(found)) == list(range(len(lengths)))
    assert max(map(len, found)) <= size
    assert len(found) == -(-len(lengths) // size)
    again = list(batches(np.array(lengths), size, np.random.default_rng(seed)))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_items_of_like_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(1, 100, 160)
    spread = [np.ptp(lengths[b]) for b in batches(lengths, 10, np.random.default_rng(0))]
    assert np.mean(spread) < 15  # 82 in batches at random


@given(st.integers(1, 5000), st.integers(1, 500), st.integers(1, 400), st.integers(1, 10))
def test_few_items_get_more_epochs(items, size, least, epochs):
    given_ = {"batch_size": size, "least_steps": least, "epochs": epochs}
    recipe = Recipe.of({**given_, "accumulate": 1, "warmup": 0.1, "patience": 0}, items)
    steps = -(-items // size)
    assert recipe.epochs * steps >= least
    assert recipe.epochs == epochs or (recipe.epochs - 1) * steps < least
    assert recipe.epochs >= epochs
    assert training.passes({**given_, "accumulate": 1, "warmup": 0.0, "patience": 0}, items) == (
        recipe.epochs * items
    )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 100))
def test_a_fifth_of_each_class_is_put_aside_and_one_item_never_is(targets, seed):
    train = Split([str(i) for i in range(len(targets))], np.array(targets, dtype=np.int64))
    learned, held = with_validation(train, 1, seed)
    kept = np.bincount(learned.targets, minlength=5)
    whole = np.bincount(train.targets, minlength=5)
    assert (kept[whole > 0] > 0).all()
    aside = [] if held is None else held.inputs
    assert sorted([*learned.inputs, *aside], key=int) == train.inputs
    for count, left in zip(whole, kept, strict=True):
        assert count - left == (count // 5 or min(1, max(count - 1, 0)))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=80),
    st.integers(0, 100),
)
def test_groups_are_put_aside_whole_and_no_class_with_them(items, seed):
    targets, groups = np.array(items).T
    train = Split([str(i) for i in range(len(items))], targets, groups)
    learned, held = with_validation(train, 1, seed)
    assert set(learned.targets) == set(targets)
    alone = [{*groups[targets == c]} for c in set(targets)]
    could = {*groups} - {g for of in alone for g in of if len(of) == 1}
    assert (held is None) == (not could)
    if held is not None:
        assert not {*learned.groups} & {*held.groups}
        assert sorted([*learned.inputs, *held.inputs], key=int) == train.inputs
        again = with_validation(train, 1, seed)
        assert held.inputs == again[1].inputs


def test_of_many_groups_a_fifth_of_each_class_is_put_aside():
    groups = np.repeat(np.arange(50), 4)
    train = Split(list(map(str, range(200))), np.arange(200) % 4 // 3, groups)
    found = [with_validation(train, 1, seed)[1] for seed in range(5)]
    assert [np.bincount(held.targets).tolist() for held in found] == [[30, 10]] * 5
    assert len({tuple(held.inputs) for held in found}) == 5


def test_nothing_is_put_aside_where_nothing_is_stopped_early():
    train = Split(list("abcdef"), np.array([0, 0, 0, 1, 1, 1]))
    assert with_validation(train, 0, 0) == (train, None)


class Still:
    """A context for training without a backbone."""

    seed, device, mixed = 0, "cpu", None

    def progress(self, *_):
        pass

    def scratch(self):
        return None


def toy(recipe, loss_of, judge=None):
    """One weight, trained by a loss of it and of the items."""
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.zero_()
    optimised = [{"params": list(module.parameters()), "lr": 0.1, "weight_decay": 0.0}]
    lengths = np.ones(8, dtype=np.int64)
    epochs = training.descend(
        module,
        optimised,
        training.of_means(lambda items: loss_of(module.weight, items)),
        lengths,
        recipe,
        Still(),
        judge and (lambda: judge(module)),
    )
    return module.weight.item(), epochs, module


def test_the_best_state_is_kept_and_training_stops_when_nothing_gets_better():
    seen = []

    def judge(module):
        assert not module.training
        seen.append(module.weight.item())
        return [0.1, 0.5, 0.4, 0.5, 0.3, 0.2][len(seen) - 1]

    recipe = Recipe(epochs=6, batch_size=4, accumulate=1, warmup=0.0, patience=3)
    weight, epochs, module = toy(recipe, lambda w, _: (w - 5).square().sum(), judge)
    assert epochs == 5  # the second was the best, and three after it were no better
    assert weight == seen[1] != seen[-1]
    assert not module.training


def test_while_rates_rise_no_epoch_counts_against_it():
    """Of twenty epochs of two steps a quarter, five epochs, is warm-up."""
    scores = iter([0.5, *[0.1] * 19])
    recipe = Recipe(epochs=20, batch_size=4, accumulate=1, warmup=0.25, patience=2)
    told = []

    def judge(module):
        told.append(module.weight.item())
        return next(scores)

    weight, epochs, _ = toy(recipe, lambda w, _: (w - 5).square().sum(), judge)
    assert epochs == 7  # rates rise in the first five, and two after them were no better
    assert weight == told[0]  # but what was best among them stays


def test_without_patience_nobody_is_asked():
    recipe = Recipe(epochs=3, batch_size=4, accumulate=1, warmup=0.0, patience=0)
    _, epochs, _ = toy(recipe, lambda w, _: (w - 5).square().sum(), lambda _: pytest.fail("asked"))
    assert epochs == 3


def test_a_loss_that_is_no_number_ends_the_training():
    recipe = Recipe(epochs=3, batch_size=4, accumulate=1, warmup=0.0, patience=0)
    with pytest.raises(DivergedError, match="lower learning_rate"):
        toy(recipe, lambda w, _: w.sum() * float("inf"))


@pytest.mark.parametrize("parts", [2, 3, 8, 50])
def test_a_step_in_parts_is_the_step_of_the_whole_batch(parts):
    values = torch.arange(8.0) / 8

    def loss(w, items):
        return (w * values[items] - 1).square().mean()

    recipe = Recipe(epochs=4, batch_size=7, accumulate=1, warmup=0.2, patience=0)
    whole, _, _ = toy(recipe, loss)
    recipe = Recipe(epochs=4, batch_size=7, accumulate=parts, warmup=0.2, patience=0)
    assert toy(recipe, loss)[0] == pytest.approx(whole, abs=1e-5)


@BOTH
def test_frozen_features_are_what_the_network_itself_says(kit, modality):
    train = kit.splits[modality][0].take(np.arange(24))
    context = kit.context(modality)
    trainable = context.trainable()
    fast = trained.frozen_features(trainable, train.inputs, context, normalize=False)
    prepared = trainable.prepare(train.inputs)
    trainable.network.eval()
    with torch.no_grad():
        own = trainable.network(trainable.collate(prepared, np.arange(24))).numpy()
    np.testing.assert_allclose(fast, own, atol=1e-5)
    unit = trained.frozen_features(trainable, train.inputs, context, normalize=True)
    length = np.linalg.norm(own, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, own / length, atol=1e-5)
    assert trained.width_of(trainable, train.inputs) == own.shape[1] == 32


@BOTH
def test_frozen_features_follow_the_weights(kit, modality):
    """The fast path packs weights: what was trained since must be in it."""
    train = kit.splits[modality][0].take(np.arange(8))
    context = kit.context(modality)
    trainable = context.trainable()
    before = trained.frozen_features(trainable, train.inputs, context, normalize=False)
    with torch.no_grad():
        for parameter in trainable.network.parameters():
            parameter.mul_(1.1)
    after = trained.frozen_features(trainable, train.inputs, context, normalize=False)
    assert np.abs(after - before).max() > 1e-3


@BOTH
def test_bfloat16_trains_near_float32(kit, modality):
    train, test, _ = kit.splits[modality]
    exact, half = (finetuned(kit, modality, train, mixed=mixed) for mixed in (None, "bf16"))
    a, b = (fitted.predict(test.inputs).probabilities for fitted in (exact, half))
    assert half.trainable.network.encoder.dtype is torch.float32
    np.testing.assert_allclose(a, b, atol=0.1)
    assert np.abs(a - b).max() > 0


@BOTH
def test_a_trial_is_not_stopped_by_what_it_is_judged_by(kit, modality):
    train, test, _ = kit.splits[modality]
    trial, final = (
        finetuned(kit, modality, train, held, patience=1, least_steps=12) for held in (test, None)
    )
    assert 1 <= trial.facts()["epochs"] == final.facts()["epochs"] <= 12
    np.testing.assert_array_equal(
        trial.predict(test.inputs).probabilities, final.predict(test.inputs).probabilities
    )


def test_only_the_head_changes_where_only_it_may(kit):
    train, test, _ = kit.splits[Modality.TEXT]
    context = kit.context(Modality.TEXT)
    fitted = finetuned(kit, Modality.TEXT, train, trainable="head")
    pristine = context.trainable().network.state_dict()
    for name, value in fitted.trainable.network.state_dict().items():
        assert torch.equal(value, pristine[name])
    assert fitted.size().trained == 32 * 4 + 4
    features = trained.frozen_features(fitted.trainable, test.inputs, context, normalize=False)
    np.testing.assert_allclose(
        fitted.predict(test.inputs).probabilities,
        softmax(features @ fitted.weights.T + fitted.biases),
        atol=1e-6,
    )


def test_only_the_chosen_part_changes(kit):
    train = kit.splits[Modality.TEXT][0]
    pristine = kit.context(Modality.TEXT).trainable().network.state_dict()
    fitted = finetuned(kit, Modality.TEXT, train, trainable="last-1")
    changed = {
        name
        for name, value in fitted.trainable.network.state_dict().items()
        if not torch.equal(value, pristine[name])
    }
    assert changed
    assert all(".layer.1." in name for name in changed)


def test_batch_norms_keep_the_statistics_of_pretraining():
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout())
    training.training_mode(module)
    assert [layer.training for layer in module] == [True, False, True]
