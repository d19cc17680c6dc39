"""Token ids come back as they were made, once, and damage is noticed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.core.backbone import Tokens
from bench.extract import TokenCache


class Letters:
    """A tokenizer whose ids are letters; counts what it is asked for."""

    tokenizer = "letters"

    def __init__(self):
        self.asked = []

    def prepare(self, inputs):
        self.asked += inputs
        rows = [[ord(c) for c in text] or [0] for text in inputs]
        offsets = np.cumsum([0, *map(len, rows)])
        flat = np.array([i for row in rows for i in row], dtype=np.int32)
        return Tokens(flat, offsets, np.array([len(row) > 3 for row in rows]))


def same(one, other):
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.truncated, other.truncated)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(max_size=5), max_size=6), max_size=4))
def test_they_are_what_the_tokenizer_makes(tmp_path_factory, calls):
    folder, letters = tmp_path_factory.mktemp("tokens"), Letters()
    cache = TokenCache(folder)
    for texts in calls:
        same(cache.prepare(letters, texts), Letters().prepare(texts))
    assert len(letters.asked) == len(set(letters.asked))
    again, idle = TokenCache(folder), Letters()
    for texts in calls:
        same(again.prepare(idle, texts), Letters().prepare(texts))
    assert idle.asked == []


def test_another_tokenizer_has_others(tmp_path):
    cache, one, other = TokenCache(tmp_path), Letters(), Letters()
    other.tokenizer = "other"
    cache.prepare(one, ["a"])
    cache.prepare(other, ["a"])
    assert other.asked == ["a"]


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_damaged_ids_are_made_again(tmp_path, suffix, caplog):
    TokenCache(tmp_path).prepare(Letters(), ["some", "texts"])
    (path,) = (tmp_path / "letters").glob(f"*{suffix}")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    letters = Letters()
    same(TokenCache(tmp_path).prepare(letters, ["some"]), Letters().prepare(["some"]))
    assert letters.asked == ["some"]
    assert "damaged" in caplog.text


def test_what_is_read_is_memory_mapped(tmp_path):
    TokenCache(tmp_path).prepare(Letters(), ["some", "texts"])
    cache = TokenCache(tmp_path)
    cache.prepare(Letters(), ["some"])
    (shard,) = cache._known["letters"]._shards
    assert isinstance(shard.ids, np.memmap)
