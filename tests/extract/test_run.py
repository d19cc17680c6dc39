"""Extraction itself: input order, what it costs, and what it refuses."""

from __future__ import annotations

import itertools
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.assets import digest_tree
from bench.backbones import build
from bench.core.backbone import Tokens
from bench.core.errors import DivergedError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Modality
from bench.extract import TokenCache, extract, run
from tests.backbones.tiny import WORDS, save_text


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = save_text(tmp_path_factory.mktemp("tiny"))
    name = f"file:{folder}"
    plugin = build(BackboneEntry(name=name), folder.parent, {name: digest_tree(folder)})
    return plugin.load("cpu", Precision.FP32, [])


OTHERS = WORDS[5:]
TEXTS = [  # all of them different: a number in words, and then "the" so many times
    " ".join([OTHERS[int(c)] for c in np.base_repr(i, 9)] + ["the"] * (i % 7)) for i in range(50)
]


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
    ticks = itertools.count(10.0, 0.5)
    found = extract(backbone, TEXTS, "cpu", clock=lambda: next(ticks))
    assert found.seconds == next(ticks) - 0.5 - 10.0
    assert set(found.stages) == {"prepare", "collate", "forward", "copy"}
    assert sum(found.stages.values()) < found.seconds


def test_repeated_inputs_are_computed_once_and_counted(backbone):
    once = extract(backbone, TEXTS[:3], "cpu")
    found = extract(backbone, [TEXTS[i] for i in (2, 0, 2, 1, 0)], "cpu")
    assert (found.computed, len(found.lengths)) == (3, 5)
    np.testing.assert_allclose(found.features, once.features[[2, 0, 2, 1, 0]], atol=1e-6)
    np.testing.assert_array_equal(found.lengths, once.lengths[[2, 0, 2, 1, 0]])


def test_nothing_gives_nothing(backbone):
    found = extract(backbone, [], "cpu")
    assert found.features.shape == (0, backbone.spec.width)
    assert (found.batches, found.computed, found.padding_share) == (0, 0, 0.0)


@pytest.mark.parametrize("repeated", [1, 2])
def test_features_are_written_where_they_are_wanted(backbone, tmp_path, repeated):
    texts = TEXTS * repeated
    out = np.memmap(tmp_path / "f", np.float32, "w+", shape=(len(texts), backbone.spec.width))
    found = extract(backbone, texts, "cpu", out=out)
    assert found.features is out
    np.testing.assert_array_equal(out, extract(backbone, texts, "cpu").features)


class Zeros:
    """A backbone whose features cost nothing."""

    tokenizer, packs = "", True
    spec = SimpleNamespace(width=512, name="zeros", modality=Modality.TEXT)

    def prepare(self, inputs):
        n = len(inputs)
        return Tokens(np.zeros(n, np.int32), np.arange(n + 1), np.zeros(n, bool))

    def collate(self, _, indices):
        return torch.zeros(len(indices), self.spec.width)

    def forward(self, batch):
        return batch


def test_out_of_core_a_repeated_input_costs_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CHUNK", 500)
    texts = [f"text {i % 19_000}" for i in range(20_000)]
    out = np.memmap(tmp_path / "f", np.float32, "w+", shape=(len(texts), 512))  # 41 MB
    tracemalloc.start()
    try:
        extract(Zeros(), texts, "cpu", budget=500, out=out)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()


def test_chunks_change_nothing(backbone, monkeypatch):
    whole = extract(backbone, TEXTS, "cpu")
    monkeypatch.setattr(run, "CHUNK", 7)
    parts = extract(backbone, TEXTS, "cpu")
    np.testing.assert_allclose(parts.features, whole.features, atol=1e-6)
    np.testing.assert_array_equal(parts.lengths, whole.lengths)
    assert parts.batches > whole.batches


def test_the_budget_is_kept_and_told(backbone):
    found = extract(backbone, TEXTS, "cpu", budget=16)
    assert found.budget == 16
    assert found.batches >= found.lengths.sum() / 16


class Small:
    """A backbone on a device that takes so many tokens at a time."""

    def __init__(self, backbone, room):
        self._backbone, self.room = backbone, room

    def __getattr__(self, name):
        return getattr(self._backbone, name)

    def forward(self, batch):
        if batch["input_ids"].numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._backbone.forward(batch)


def test_out_of_memory_halves_the_budget_and_goes_on(backbone):
    wanted = extract(backbone, TEXTS, "cpu")
    found = extract(Small(backbone, 40), TEXTS, "cpu", budget=300)
    np.testing.assert_allclose(found.features, wanted.features, atol=1e-6)
    assert 1 <= found.halvings <= 4
    assert found.budget <= 40
    assert (found.lengths <= found.budget).all()


def test_an_item_that_does_not_fit_alone_is_an_error(backbone):
    with pytest.raises(torch.OutOfMemoryError):
        extract(Small(backbone, 2), TEXTS, "cpu")


def test_token_ids_that_are_there_give_the_same_features(backbone, tmp_path):
    wanted = extract(backbone, TEXTS, "cpu").features
    for _ in range(2):
        found = extract(backbone, TEXTS, "cpu", tokens=TokenCache(tmp_path))
        np.testing.assert_array_equal(found.features, wanted)
    assert list(tmp_path.iterdir())


def test_broken_weights_are_a_failure_and_no_features(backbone):
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
