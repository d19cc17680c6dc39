"""Encoded inputs: the same as those decoded, in any selection, and few of them at a time."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.backbones.image import ImageEncoder, stack_resized
from bench.core.backbone import BackboneSpec
from bench.core.identity import item_digest
from bench.core.inputs import Chained, Encoded, chained, digests, present, taken
from bench.core.task import Modality, Split
from bench.extract import extract
from bench.tasks import _media
from bench.tasks._media import Media, Memory, Several

SIDE = 6


def painted(source: Path | bytes, name: str) -> np.ndarray:
    assert name == f"image {source[0]}"
    return np.full((SIDE, SIDE, 3), source[0], dtype=np.uint8)


@pytest.fixture(autouse=True)
def decoders(monkeypatch):
    """Images of one byte: the shade of all of it."""
    monkeypatch.setattr(_media, "DECODERS", {Modality.IMAGE: painted})


def media(shades, room: int = 0) -> Media:
    sources = tuple(bytes([shade]) for shade in shades)
    names = tuple(f"image {shade}" for shade in shades)
    return Media(Modality.IMAGE, sources, names, Memory(room=room))


def shades_of(inputs) -> list[int]:
    return [int(item[0, 0, 0]) for item in inputs]


@given(st.data())
def test_selections_are_those_of_a_list(data):
    counts = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    parts = [media(range(10 * i, 10 * i + n)) for i, n in enumerate(counts)]
    found, plain = Chained(parts), [shade for part in parts for shade in shades_of(part)]
    for _ in range(3):
        assert len(found) == len(plain)
        assert shades_of(found) == plain
        assert digests(found) == [item_digest(item) for item in found]
        if not plain:
            break
        some = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=8))
        if data.draw(st.booleans()):
            found, plain = taken(found, np.array(some, dtype=np.int64)), [plain[i] for i in some]
        else:
            start, stop = sorted(data.draw(st.tuples(st.integers(-3, 9), st.integers(-3, 9))))
            found, plain = found[start:stop], plain[start:stop]
        assert isinstance(found, Encoded)


def test_places_outside_are_errors_and_negative_ones_count_from_the_end():
    found = Chained([media([1, 2]), media([3])])
    assert shades_of([found[-1], found[-3]]) == [3, 1]
    for place in (3, -4):
        with pytest.raises(IndexError):
            found[place]


def test_lists_stay_lists():
    assert chained(["a"], ["b", None]) == ["a", "b", None]
    assert taken(["a", "b", None], np.array([2, 0])) == [None, "a"]
    assert present(["a", None]).tolist() == [True, False]
    mixed = chained(media([1]), ["text"])
    assert (shades_of(mixed[:1]), mixed[1]) == ([1], "text")
    assert digests(mixed)[1] == item_digest("text")


def test_what_is_missing_beside_encoded_ones_is_missing():
    """Labelled images and, under a condition, test inputs without one."""
    both = chained(media([1, 2]), [None, painted(bytes([3]), "image 3")], media([4]))
    assert present(both).tolist() == [True, True, False, True, True]
    assert present(both[1:4]).tolist() == [True, False, True]
    there = taken(both, np.flatnonzero(present(both)))
    assert present(there).all()
    assert shades_of(there) == [1, 2, 3, 4]


def test_parts_stay_encoded():
    both = Several({"image": media([1, 2, 3]), "text": ["a", "b", "c"]})
    some = taken(both, np.array([2, 0]))
    assert some.part("text") == ["c", "a"]
    assert isinstance(some.part("image"), Media)
    assert shades_of(some.part("image")) == [3, 1]
    assert digests(some) == [item_digest(item) for item in some]


def test_a_draw_of_a_split_decodes_nothing(monkeypatch):
    split = Split(media(range(9)), np.arange(9))
    monkeypatch.setattr(_media, "DECODERS", {})
    assert len(split.take(np.array([4, 2])).inputs) == 2


@pytest.mark.parametrize("room", [0, 4 * SIDE * SIDE * 3, 1 << 20])
def test_what_has_room_is_decoded_once_and_named_once(monkeypatch, room):
    made = []

    def counted(source, name):
        made.append(source)
        return painted(source, name)

    monkeypatch.setattr(_media, "DECODERS", {Modality.IMAGE: counted})
    of = media(range(10), room)
    for _ in range(3):
        digests(of)
        shades_of(taken(of, np.arange(10)))
    kept = min(10, room // (SIDE * SIDE * 3))
    assert len(made) == 10 + (10 - kept) * 3


def test_extraction_holds_a_batch_of_images_and_not_all(monkeypatch):
    alive = weakref.WeakSet()
    most = 0

    class Image(np.ndarray):
        """An array that can be counted."""

        __hash__ = object.__hash__

    def counted(source, name):
        nonlocal most
        found = painted(source, name).view(Image)
        alive.add(found)
        most = max(most, len(alive))
        return found

    monkeypatch.setattr(_media, "DECODERS", {Modality.IMAGE: counted})
    spec = BackboneSpec("flat", Modality.IMAGE, "", assets=(), width=3 * SIDE * SIDE)
    encoder = ImageEncoder(
        spec,
        torch.nn.Flatten(),
        lambda images: torch.from_numpy(stack_resized(images, SIDE)),
        lambda net, pixels: net(pixels),
        torch.float32,
    )
    both = chained(media(range(100)), media(range(50, 150)))
    found = extract(encoder, both, "cpu", budget=8)
    assert found.features[:, 0].tolist() == [*range(100), *range(50, 150)]
    assert found.computed == 150
    assert most <= 2
