"""Caches on disk: damage is noticed and made good, and builders do not harm each other."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.core.identity import item_digest
from bench.core.suite import Precision
from bench.extract import FeatureCache, extract
from tests.faults.kit import times

NAMES = [item_digest(np.full((2, 2), i, dtype=np.uint8)) for i in range(6)]
BUILDER = """
import sys
import numpy as np
from pathlib import Path
from bench.core.identity import item_digest
from bench.extract import Extracted, FeatureCache

names = [item_digest(np.full((2, 2), i, dtype=np.uint8)) for i in range(6)]
features = np.arange(18, dtype=np.float32).reshape(6, 3)
extracted = Extracted(
    features=features, lengths=np.ones(6, dtype=np.int64), seconds=1.0,
    truncated=np.zeros(6, dtype=bool), padding_share=0.0, batches=1, computed=6, budget=6,
)
input()
for number in range(int(sys.argv[2])):
    FeatureCache(Path(sys.argv[1]), f"key {number}").add(names, extracted)
"""


@pytest.mark.fault(29, "a damaged or truncated feature file: recomputed, and said")
def test_damaged_features_are_computed_again(tmp_path, trials, caplog):
    from bench import backbones

    images = [np.full((8, 8), i, dtype=np.uint8) for i in range(6)]
    digests = [item_digest(image) for image in images]
    backbone = backbones.registry()["raw-pixels"].load("cpu", Precision.FP32, [])
    extracted = extract(backbone, images, "cpu")
    FeatureCache(tmp_path, "key").add(digests, extracted)
    (path,) = (tmp_path / "key").glob("*.safetensors")
    whole = path.read_bytes()
    step = max(1, len(whole) // times(20, len(whole)))
    for position in range(0, len(whole), step):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        for damaged in (bytes(flipped), whole[:position]):
            path.write_bytes(damaged)
            caplog.clear()
            with trials.one(), caplog.at_level(logging.WARNING):
                cache = FeatureCache(tmp_path, "key")
                assert cache.missing(digests) == list(range(6))
                assert "damaged" in caplog.text
                cache.add(digests, extracted)
                again, _ = cache.take(digests)
                assert np.array_equal(again, extracted.features)


@pytest.mark.fault(30, "two processes build one entry of the cache at once: one that is valid")
def test_two_builders_leave_one_valid_entry(tmp_path, trials):
    count = times(30, 500)
    command = [sys.executable, "-c", BUILDER, str(tmp_path), str(count)]
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root) for _ in range(2)]
    for process in both:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.communicate() and process.returncode for process in both] == [0, 0]
    for number in range(count):
        with trials.one():
            cache = FeatureCache(tmp_path, f"key {number}")
            assert cache.missing(NAMES) == []
            features, _ = cache.take(NAMES)
            assert np.array_equal(features, np.arange(18, dtype=np.float32).reshape(6, 3))
            assert len(list(cache.folder.iterdir())) == 1
