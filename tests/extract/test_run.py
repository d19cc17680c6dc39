"""Extraction itself: input order, what it costs, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from bench.assets import digest_tree
from bench.backbones import build
from bench.core.errors import DivergedError
from bench.core.suite import BackboneEntry, Precision
from bench.extract import extract
from tests.backbones.tiny import save_text


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = save_text(tmp_path_factory.mktemp("tiny"))
    name = f"file:{folder}"
    plugin = build(BackboneEntry(name=name), folder.parent, {name: digest_tree(folder)})
    return plugin.load("cpu", Precision.FP32, [])


TEXTS = [" ".join(["cat", "dog", "mat"][i % 3] for _ in range(1 + i % 7)) for i in range(50)]


def test_features_come_in_input_order(backbone):
    straight = extract(backbone, TEXTS, "cpu").features
    turned = np.random.default_rng(0).permutation(len(TEXTS))
    mixed = extract(backbone, [TEXTS[i] for i in turned], "cpu").features
    np.testing.assert_allclose(mixed, straight[turned], atol=1e-5)


def test_progress_ends_at_the_number_of_items(backbone):
    told = []
    extract(backbone, TEXTS, "cpu", told.append)
    assert told == sorted(told)
    assert told[-1] == len(TEXTS)


def test_seconds_are_the_clocks(backbone):
    ticks = iter([10.0, 12.5])
    assert extract(backbone, TEXTS, "cpu", clock=lambda: next(ticks)).seconds == 2.5


def test_broken_weights_are_a_failure_and_no_features(backbone):
    import torch

    weight = next(backbone.module().parameters())
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.fill_(float("nan"))
        with pytest.raises(DivergedError, match="NaN"):
            extract(backbone, TEXTS, "cpu")
    finally:
        with torch.no_grad():
            weight.copy_(kept)
