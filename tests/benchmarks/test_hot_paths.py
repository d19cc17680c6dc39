"""The hot paths, timed by pytest-benchmark: `make microbench`. Skipped in `make test`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from bench.backbones import build
from bench.backbones.pooling import pool_groups
from bench.core.backbone import Pooling
from bench.core.identity import item_digest
from bench.core.metrics import item_values
from bench.core.suite import BackboneEntry, Precision
from bench.extract import extract, plan_batches

RNG = np.random.default_rng(0)
LENGTHS = np.clip(RNG.lognormal(3.3, 0.6, 10_000).astype(np.int64), 3, 256)
WORDS = ["film", "wheat", "price", "a", "the", "of", "rare", "dull", "plot", "rose"]
TEXTS = [" ".join(RNG.choice(WORDS, int(n))) for n in LENGTHS[:500]]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory):
    entry = BackboneEntry(name="minilm-l6")
    return build(entry, tmp_path_factory.mktemp("none"), {}).load("cpu", Precision.FP32, [])


def test_planning_10000_items(benchmark):
    benchmark(plan_batches, LENGTHS, 2048)


def test_naming_500_texts(benchmark):
    benchmark(lambda: [item_digest(text) for text in TEXTS])


def test_tokenising_500_texts(benchmark, minilm):
    benchmark(minilm.prepare, TEXTS)


def test_pooling_4096_tokens(benchmark):
    """A batch of film reviews: 152 texts of 27 tokens or so, one after another."""
    lengths = np.sort(RNG.integers(20, 35, 152))
    found = zip(*np.unique(lengths, return_counts=True), strict=True)
    groups = [(int(texts), int(length)) for length, texts in found]
    states = torch.from_numpy(RNG.standard_normal((int(lengths.sum()), 384), dtype=np.float32))
    with torch.inference_mode():
        benchmark(pool_groups, states, groups, Pooling.MEAN)


def test_extracting_100_texts(benchmark, minilm):
    benchmark.pedantic(extract, (minilm, TEXTS[:100], "cpu"), rounds=5, warmup_rounds=1)


def test_macro_f1_of_10000_items(benchmark):
    true, predicted = RNG.integers(0, 50, (2, 10_000))
    benchmark(item_values, "macro_f1", true, predicted, 50)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["table", "results/default"]], ids=lambda a: a[0]
)
def test_the_command_line(benchmark, arguments):
    command = [sys.executable, "-m", "bench", *arguments]
    benchmark.pedantic(
        lambda: subprocess.run(command, capture_output=True, check=True), rounds=5, warmup_rounds=1
    )
