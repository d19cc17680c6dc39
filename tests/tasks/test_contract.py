"""What every registered task must keep."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from bench.core.task import Input, Joined, Modality, Sound
from bench.tasks import check, duplicates_across, registry

from .loaded import content, splits_of

NAMES = sorted(registry())

# A changed meaning is a new version of the task: whoever changes a number here raises
# `version` in the task's module (style.md 18), or mends the division that moved.
GOLDEN: dict[str, tuple[str, str, str]] = {
    "20newsgroups": ("8f99613147bc", "2df50e60abcb", "54719211a767"),
    "banking77": ("4876811d5514", "ddaebe361fbe", "c28035201a9c"),
    "breast-cancer": ("0b6ffe3f8811", "8949e73b05f4", "e266b024b94c"),
    "breast-cancer-text": ("06ac58ad2f94", "8ff855e43624", "6565a4c00d82"),
    "digit-pairs": ("137bccdbd511", "8ee0d36ca3f6", "5cf6bd9c68c8"),
    "digits": ("1601e7462fcc", "87612ca8970b", "aabf19bbe464"),
    "fashion-mnist": ("d30fa6ee0644", "b41a06f47937", "98e3bf203b9d"),
    "fsdd": ("69bab70da009", "771af6202ce0", "8f9ad274d80d"),
    "fsdd-held-out-a": ("b427b49ce744", "793934a58753", "cd36e032be86"),
    "fsdd-held-out-b": ("f7a33d5f3e08", "b3aecac06ba6", "347a30f2c58a"),
    "fsdd-held-out-c": ("3fa466bc461a", "ab16a0faf03c", "680f465e0ad4"),
    "fsdd-speaker": ("e46c7d2215d1", "e14e1312e75d", "59c865f2531d"),
    "fsdd-speaker-shift": ("85f70da980cd", "8316a0df421c", "63e66f224e39"),
    "fsdd-words": ("80446488568f", "771af6202ce0", "8f9ad274d80d"),
    "german-credit": ("9aaf25aff99f", "b6984cfa94a1", "34660309219f"),
    "german-credit-text": ("3a67c7cffce7", "1fccf1667369", "67767d078d52"),
    "mnist-5k": ("c1b411d4b5d3", "f569ce517da9", "6f4173959dfb"),
    "movielens": ("c1009bdfcc9e", "376af13b83db", "66d83b849ea0"),
    "movielens-popularity": ("f5f0a36cb282", "45b8bbcd66f5", "2477a787f0fe"),
    "reuters-r52": ("c963a7317d0e", "9bfd717cd28f", "fefa82b9731d"),
    "reuters-r8": ("0390e274b028", "1b52e69359e7", "6536931f25ea"),
    "rotten-tomatoes": ("222b23bced1b", "a9d797e406fa", "0eae68c1d654"),
    "trec": ("9e123167a120", "205fca8e1736", "ad5341336296"),
}

FEW_NUMBERS = {"movielens-popularity"}
"""Rows of so few numbers that equal ones are no sign of a leak."""

every_task = pytest.mark.parametrize("name", NAMES)


@every_task
def test_is_what_its_spec_says(name: str) -> None:
    splits, spec = splits_of(name), registry()[name].spec
    check(splits, spec)
    assert spec.name == name
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert (len(splits.train), len(splits.test)) == (spec.train_size, spec.test_size)
    assert len(splits.class_names) == len(set(splits.class_names)) == spec.classes
    assert all(isinstance(note, int | float | str) for note in splits.notes.values())
    assert spec.units >= 1
    assert spec.summary


@every_task
def test_assets_are_pinned_and_licensed(name: str) -> None:
    for asset in registry()[name].spec.assets:
        assert asset.pinned
        assert all(re.fullmatch("[0-9a-f]{64}", source.sha256 or "") for source in asset.sources)
        assert all(source.uris for source in asset.sources)
        assert asset.license
        assert asset.homepage
        bundled = all(source.uris[0].startswith("package:") for source in asset.sources)
        assert (asset.bytes_download == 0) == bundled


def check_inputs(inputs: Sequence[Input], modality: Modality) -> None:
    """See that all inputs are what `modality` promises."""
    if modality is Modality.TEXT:
        assert all(isinstance(item, str) and item for item in inputs)
    elif modality is Modality.AUDIO:
        assert all(isinstance(item, Sound) and item.rate > 0 for item in inputs)
        assert {item.samples.dtype for item in inputs} == {np.dtype(np.float32)}
        assert all(item.samples.ndim == 1 and len(item.samples) for item in inputs)
        assert 0.1 < max(np.abs(item.samples).max() for item in inputs) <= 1
    elif modality is Modality.TABLE:
        assert all(isinstance(item, np.ndarray) and item.ndim == 1 for item in inputs)
        rows = np.stack(inputs)
        assert rows.dtype == np.float32
        assert not np.isinf(rows).any()  # NaN is "not known"
        assert np.isfinite(rows).any(axis=0).all()
    else:
        assert all(isinstance(item, np.ndarray) for item in inputs)
        assert {item.dtype for item in inputs} == {np.dtype(np.uint8)}
        assert all(item.ndim in {2, 3} and item.size for item in inputs)
        assert max(item.max() for item in inputs) > 200  # stretched to 0 ... 255


@every_task
def test_inputs_are_of_the_modality(name: str) -> None:
    splits, spec = splits_of(name), registry()[name].spec
    assert (spec.modality is Modality.SEVERAL) == bool(spec.parts)
    for split in (splits.train, splits.test):
        if spec.modality is not Modality.SEVERAL:
            check_inputs(split.inputs, spec.modality)
            continue
        assert all(isinstance(item, Joined) for item in split.inputs)
        assert all(item.parts.keys() == spec.parts.keys() for item in split.inputs)
        for part, modality in spec.parts.items():
            check_inputs([item.parts[part] for item in split.inputs], modality)


@every_task
def test_class_ids_are_contiguous_int64(name: str) -> None:
    splits = splits_of(name)
    for split in (splits.train, splits.test):
        assert split.targets.dtype == np.int64
        assert split.targets.shape == (len(split),)
    np.testing.assert_array_equal(np.unique(splits.train.targets), range(len(splits.class_names)))


@every_task
def test_no_group_stands_on_both_sides(name: str) -> None:
    splits = splits_of(name)
    if splits.train.groups is None:
        assert splits.test.groups is None
        return
    assert splits.test.groups is not None
    assert not set(splits.train.groups.tolist()) & set(splits.test.groups.tolist())


@every_task
def test_loads_the_same_twice(name: str) -> None:
    once, again = splits_of(name), registry()[name].load()
    assert content(once.train) == content(again.train)
    assert content(once.test) == content(again.test)
    assert once.class_names == again.class_names
    assert once.notes == again.notes


@every_task
def test_fingerprint_and_content_are_those_of_this_version(name: str) -> None:
    splits, spec = splits_of(name), registry()[name].spec
    found = (spec.fingerprint, content(splits.train), content(splits.test))
    assert tuple(digest[:12] for digest in found) == GOLDEN[name]


@every_task
def test_items_of_train_seldom_stand_in_test(name: str) -> None:
    if name in FEW_NUMBERS:
        return
    splits = splits_of(name)
    assert duplicates_across(splits) <= 0.02 * len(splits.test)


def test_listing_tasks_loads_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "sklearn", "pandas", "datasets", "PIL", "pyarrow", "scipy")
    code = (
        "import sys; from bench.tasks import registry; assert len(registry()) >= 9; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
