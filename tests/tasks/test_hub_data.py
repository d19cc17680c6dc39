"""Data sets of the hub, from a snapshot folder as its client leaves it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.assets import hub_identity
from bench.core.errors import DataError, UserError
from bench.core.suite import TaskEntry
from bench.core.task import Modality, Splits
from bench.tasks import build, table
from bench.tasks._tables import read_snapshot

URI = "hub:datasets/org/name@" + "a" * 40


def load(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings) -> Splits:
    """Load as a run does, with the snapshot already on this machine (no network in tests)."""
    task = build(TaskEntry(name="mine", data=URI, **settings), folder, {})
    monkeypatch.setattr(table, "resolve", lambda asset: {asset.sources[0].path: folder})
    return task.load()


def write_csv(folder: Path, **splits: str) -> None:
    for name, text in splits.items():
        (folder / f"{name}.csv").write_text("text,label\n" + text, encoding="utf-8")


def test_the_revision_is_the_identity(tmp_path: Path) -> None:
    source = build(TaskEntry(name="mine", data=URI), tmp_path, {}).spec.assets[0].sources[0]
    assert source.sha256 == hub_identity(URI)
    assert (source.tree, source.uris) == (True, (URI,))
    branch = TaskEntry(name="mine", data="hub:datasets/org/name@main")
    assert not build(branch, tmp_path, {}).spec.assets[0].pinned
    locked = build(branch, tmp_path, {"hub:datasets/org/name@main": "a" * 40})
    assert locked.spec.assets[0].sources[0] == source


def test_train_test_and_validation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_csv(tmp_path, train="one,a\ntwo,b\n", validation="three,a\n", test="x,b\ny,a\n")
    (tmp_path / "README.md").write_text("# a card\n")
    splits = load(monkeypatch, tmp_path, modality=Modality.TEXT, input="text")
    assert (len(splits.train), len(splits.test)) == (3, 2)
    assert dict(splits.notes) == {"validation_in_train": 1}


def test_one_split_is_divided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = "".join(f"words {i},{'ab'[i % 2]}\n" for i in range(40))
    write_csv(tmp_path, train=lines)
    splits = load(monkeypatch, tmp_path)
    assert (len(splits.train), len(splits.test)) == (30, 10)


def test_images_and_class_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (12, 5, 4, 3), dtype=np.uint8)
    made = datasets.Dataset.from_dict(
        {
            "image": [Image.fromarray(image) for image in pixels],
            "label": [i % 2 for i in range(11)] + [-1],
        },
        features=features,
    )
    made.to_parquet(str(tmp_path / "train.parquet"))
    splits = load(monkeypatch, tmp_path, modality=Modality.IMAGE)
    assert splits.class_names == ("cat", "dog")
    assert len(splits.train) + len(splits.test) == 11
    assert dict(splits.notes) == {"rows_dropped_without_label": 1}
    theirs = {image.tobytes() for image in pixels[:11]}
    assert {image.tobytes() for s in (splits.train, splits.test) for image in s.inputs} == theirs


def test_an_image_is_no_way_to_other_files(tmp_path: Path) -> None:
    import datasets
    import pyarrow.parquet as pq

    secret = tmp_path / "secret.png"
    Image.new("RGB", (2, 2)).save(secret)
    folder = tmp_path / "hub" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    cells = {"image": [{"path": str(secret), "bytes": None}], "label": ["a"]}
    made = datasets.Dataset.from_dict(cells, features=features)
    pq.write_table(made.data.table, folder / "train.parquet")  # the path, not the file
    with pytest.raises(DataError, match="a path outside the data set"):
        read_snapshot(folder, "x")


@pytest.mark.fault(39, "loading scripts are never run")
def test_loading_scripts_are_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "snapshot.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    write_csv(folder, train="1,a\n2,b\n")
    with pytest.raises(
        DataError, match=r"a loading script \(snapshot.py\), and scripts are not run"
    ):
        read_snapshot(folder, "x")
    assert not canary.exists()


def test_an_unreadable_snapshot(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing else\n")
    with pytest.raises(DataError, match="`datasets` cannot read it"):
        read_snapshot(tmp_path, "x")


def test_a_folder_of_sounds_without_torchcodec(tmp_path: Path) -> None:
    import soundfile

    if importlib.util.find_spec("torchcodec"):
        pytest.skip("torchcodec is installed")
    for kind in ("bell", "horn"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "0.wav", np.zeros(800), 8_000)
    with pytest.raises(UserError, match="the package 'torchcodec', which is not installed"):
        read_snapshot(tmp_path, "x")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="package `datasets`, which is not installed"):
        read_snapshot(tmp_path, "x")


def test_other_splits_are_not_guessed_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        table,
        "read_snapshot",
        lambda _, where: {"unsupervised": table.Table(where, {"text": ["x"], "label": ["a"]})},
    )
    with pytest.raises(DataError, match="split 'unsupervised' is neither train, test nor"):
        load(monkeypatch, tmp_path)
