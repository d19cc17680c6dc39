"""The feature cache: by content, self-checking, and never a throughput."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from bench.core.errors import NotApplicableError
from bench.core.identity import item_digest
from bench.extract import Extracted, FeatureCache


def extracted(n: int, start: float = 0.0) -> Extracted:
    return Extracted(
        features=(np.arange(n * 3, dtype=np.float32) + start).reshape(n, 3),
        lengths=np.arange(1, n + 1),
        seconds=2.0,
        truncated=np.arange(n) % 2 == 0,
        padding_share=0.0,
        batches=1,
        computed=n,
        budget=64,
    )


NAMES = [item_digest(f"item {i}") for i in range(4)]


def test_what_was_added_is_found_by_another_process(tmp_path):
    FeatureCache(tmp_path, "key").add(NAMES, extracted(4))
    other = FeatureCache(tmp_path, "key")
    assert other.missing(NAMES) == []
    features, facts = other.take([NAMES[2], NAMES[0], NAMES[2]])
    assert features.tolist() == [[6, 7, 8], [0, 1, 2], [6, 7, 8]]
    assert facts[:, 0].tolist() == [0.6, 0.2, 0.6]  # 2 s shared out by length 1 + 2 + 3 + 4
    assert facts[:, 2].tolist() == [1.0, 1.0, 1.0]


def test_missing_names_each_item_once(tmp_path):
    cache = FeatureCache(tmp_path, "key")
    assert cache.missing([NAMES[1], NAMES[0], NAMES[1]]) == [0, 1]


def test_keys_do_not_mix(tmp_path):
    FeatureCache(tmp_path, "one model").add(NAMES, extracted(4))
    assert FeatureCache(tmp_path, "another").missing(NAMES) == [0, 1, 2, 3]


def test_features_of_several_widths_are_kept_apart(tmp_path):
    """Columns give as many features as a table has columns, under one key."""
    cache = FeatureCache(tmp_path, "columns")
    cache.add(NAMES[:2], extracted(2))
    wide = dataclasses.replace(extracted(2), features=np.arange(10, dtype=np.float32).reshape(2, 5))
    cache.add(NAMES[2:], wide)
    for kept in (cache, FeatureCache(tmp_path, "columns")):
        assert kept.missing(NAMES) == []
        assert kept.take([NAMES[1], NAMES[0]])[0].tolist() == [[3, 4, 5], [0, 1, 2]]
        assert kept.take([NAMES[3]])[0].tolist() == [[5, 6, 7, 8, 9]]
        with pytest.raises(NotApplicableError, match=r"unlike widths: \[3, 5\]"):
            kept.take(NAMES)


def test_a_damaged_file_is_dropped_and_said(tmp_path, caplog):
    FeatureCache(tmp_path, "key").add(NAMES, extracted(4))
    (path,) = (tmp_path / "key").glob("*.safetensors")
    data = bytearray(path.read_bytes())
    for position in (0, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with caplog.at_level(logging.WARNING):
            assert FeatureCache(tmp_path, "key").missing(NAMES) == [0, 1, 2, 3]
        assert "damaged" in caplog.text
        assert not path.exists()


def test_a_truncated_file_is_dropped(tmp_path):
    FeatureCache(tmp_path, "key").add(NAMES, extracted(4))
    (path,) = (tmp_path / "key").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    assert FeatureCache(tmp_path, "key").missing(NAMES) == [0, 1, 2, 3]


def test_two_builders_do_no_harm(tmp_path):
    one, two = FeatureCache(tmp_path, "key"), FeatureCache(tmp_path, "key")
    one.add(NAMES[:3], extracted(3))
    two.add(NAMES[1:], extracted(3, start=3.0))
    third = FeatureCache(tmp_path, "key")
    assert third.missing(NAMES) == []
    assert third.take(NAMES)[0].shape == (4, 3)


def test_a_file_that_another_worker_drops_meanwhile_is_gone(tmp_path, monkeypatch):
    FeatureCache(tmp_path, "key").add(NAMES, extracted(4))
    other = FeatureCache(tmp_path, "key")
    (path,) = other.folder.glob("*.safetensors")
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: p.unlink() or read(p))
    assert other.missing(NAMES) == [0, 1, 2, 3]
    assert not path.exists()


def test_features_in_columns_are_kept_as_they_are(tmp_path):
    made = extracted(4)
    turned = dataclasses.replace(made, features=np.asfortranarray(made.features))
    FeatureCache(tmp_path, "key").add(NAMES, turned)
    found = FeatureCache(tmp_path, "key")
    assert found.missing(NAMES) == []
    np.testing.assert_array_equal(found.take(NAMES)[0], made.features)
