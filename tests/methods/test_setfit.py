"""Contrastive pairs, and what training on them does to a backbone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.task import Modality
from bench.methods import _trained as trained
from bench.methods import registry
from bench.methods.setfit import draw_pairs

TARGETS = st.lists(st.integers(0, 4), min_size=1, max_size=40).map(np.array)


@given(TARGETS, st.integers(1, 6), st.integers(2, 400), st.integers(0, 100))
def test_pairs_are_of_two_items_within_the_limit(targets, each, most, seed):
    pairs = draw_pairs(targets, each, most, seed)
    assert pairs.shape == (len(pairs), 2)
    assert len(pairs) <= most
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert np.array_equal(pairs, draw_pairs(targets, each, most, seed))


@given(TARGETS, st.integers(1, 6), st.integers(0, 100))
def test_without_a_limit_every_item_has_its_share_of_both_kinds(targets, each, seed):
    pairs = draw_pairs(targets, each, 10**6, seed)
    alike = targets[pairs[:, 0]] == targets[pairs[:, 1]]
    counts = np.bincount(targets)[targets]
    for kind, can in ((alike, counts > 1), (~alike, counts < len(targets))):
        of = np.bincount(pairs[kind, 0], minlength=len(targets))
        assert np.array_equal(of, each * can)


@given(TARGETS, st.integers(1, 6), st.integers(2, 60), st.integers(0, 100))
def test_under_a_limit_both_kinds_stay(targets, each, most, seed):
    pairs = draw_pairs(targets, each, most, seed)
    alike = (targets[pairs[:, 0]] == targets[pairs[:, 1]]).sum()
    counts = np.bincount(targets)
    whole = [each * counts[counts > 1].sum(), each * len(targets) * (np.count_nonzero(counts) > 1)]
    share = most // max(1, sum(map(bool, whole)))
    assert [alike, len(pairs) - alike] == [min(share, count) for count in whole]


def test_another_seed_draws_other_pairs():
    targets = np.arange(40) % 4
    assert not np.array_equal(draw_pairs(targets, 5, 100, 0), draw_pairs(targets, 5, 100, 1))


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMAGE])
def test_training_brings_a_class_together_and_others_apart(kit, modality):
    train = kit.splits[modality][0]
    method = registry()["setfit"]
    quick = {"most_pairs": 1200, "learning_rate": 3e-3}
    context = kit.context(modality)
    fitted = method.fit({**method.spec.defaults, **quick}, train, None, context)
    assert fitted.facts() == {"pairs": 1200}

    def contrast(trainable):
        rows = trained.frozen_features(trainable, train.inputs, context, normalize=True)
        cosines = rows @ rows.T
        same = train.targets[:, None] == train.targets[None]
        return cosines[same].mean() - cosines[~same].mean()

    assert contrast(fitted.trainable) > contrast(context.trainable()) + 0.05
    head = [fitted.model.coef_, fitted.model.intercept_]  # goes with it
    backbone = sum(p.numel() for p in fitted.trainable.network.parameters())
    assert fitted.size().trained == backbone + sum(array.size for array in head)
    assert fitted.size().shipped == 4 * backbone + sum(array.nbytes for array in head)


def test_one_item_a_class_has_only_pairs_apart_and_one_class_only_alike(kit):
    train = kit.splits[Modality.TEXT][0]
    method = registry()["setfit"]
    _, first = np.unique(train.targets, return_index=True)
    context = kit.context(Modality.TEXT)
    alone = method.fit({**method.spec.defaults, "pairs": 2}, train.take(first), None, context)
    assert alone.facts()["pairs"] == 2 * 4
    single = train.take(np.flatnonzero(train.targets == 1)[:5])
    constant = method.fit({**method.spec.defaults, "pairs": 2}, single, None, context)
    assert constant.facts()["pairs"] == 2 * 5
    assert constant.predict(train.inputs[:3]).probabilities[:, 1].min() == 1.0
