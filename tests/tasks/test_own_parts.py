"""Inputs of several parts from the user's own tables: a column for each part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from bench.core.errors import DataError, UserError
from bench.core.suite import TaskEntry
from bench.core.task import Joined, Modality
from bench.runner.parts import narrowed
from bench.suite_file import parse
from bench.tasks import _media, build, duplicates_across

from .own import load, make, write

PARTS = {Modality.IMAGE: "picture", Modality.TEXT: "caption", Modality.AUDIO: "call"}


def animals(folder: Path, count: int = 8, **changes: dict[int, Any]) -> str:
    """A table of pictures, calls and captions of two kinds; `changes` by column and row."""
    rows = []
    for i in range(count):
        Image.new("RGB", (4, 3), (i, 10 * i, 255 - i)).save(folder / f"{i}.png")
        soundfile.write(folder / f"{i}.wav", np.sin(np.arange(900 + i) / 5) / 2, 8_000)
        row = {"picture": f"{i}.png", "call": f"{i}.wav", "caption": f"animal {i}"}
        rows.append({**row, "label": "ab"[i % 2], "who": i // 2})
        rows[i].update({name: values[i] for name, values in changes.items() if i in values})
    return write(folder, "\n".join(map(json.dumps, rows)), "mine.jsonl")


def test_parts_of_one_row_stay_together(tmp_path: Path) -> None:
    uri = animals(tmp_path)
    task = make(tmp_path, uri, parts=PARTS)
    assert task.spec.modality is Modality.SEVERAL
    assert task.spec.parts == {str(of): of for of in PARTS}
    splits = task.load()
    assert (len(splits.train), len(splits.test)) == (6, 2)
    for split in (splits.train, splits.test.take(np.arange(2))):
        for item, target in zip(split.inputs, split.targets, strict=True):
            assert isinstance(item, Joined)
            i = int(item.parts["text"].split()[-1])
            assert item.parts["image"][0, 0].tolist() == [i, 10 * i, 255 - i]
            assert len(item.parts["audio"].samples) == 900 + i
            assert target == i % 2


def test_a_part_is_had_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = load(tmp_path, animals(tmp_path), parts=PARTS).train
    monkeypatch.setattr(_media, "DECODERS", {})
    assert all(text.startswith("animal") for text in narrowed(train, "text").inputs)
    with pytest.raises(KeyError):
        list(narrowed(train, "image").inputs)
    sliced = train.inputs[2:4]
    assert [*sliced.part("text")] == [*train.inputs.part("text")][2:4]


def test_the_fingerprint_holds_every_part(tmp_path: Path) -> None:
    uri = animals(tmp_path, also=dict.fromkeys(range(8), "x"))
    base = make(tmp_path, uri, parts=PARTS).spec.fingerprint
    assert make(tmp_path, uri, parts=dict(reversed(PARTS.items()))).spec.fingerprint == base
    found = {base}
    for parts in ({**PARTS, Modality.TEXT: "also"}, dict(list(PARTS.items())[:2])):
        found.add(make(tmp_path, uri, parts=parts).spec.fingerprint)
    Image.new("RGB", (4, 3)).save(tmp_path / "0.png")
    found.add(make(tmp_path, uri, parts=PARTS).spec.fingerprint)
    soundfile.write(tmp_path / "0.wav", np.zeros(900), 8_000)
    found.add(make(tmp_path, uri, parts=PARTS).spec.fingerprint)
    assert len(found) == 5


def test_rows_that_lack_a_part_are_counted(tmp_path: Path) -> None:
    uri = animals(tmp_path, caption={0: None}, picture={1: ""}, call={1: None})
    splits = load(tmp_path, uri, parts=PARTS)
    assert len(splits.train) + len(splits.test) == 6
    assert dict(splits.notes) == {"rows_dropped_without_input": 2}


def test_leaks_and_groups(tmp_path: Path) -> None:
    uri = animals(tmp_path, caption={1: "animal 0"})
    for suffix in ("png", "wav"):
        (tmp_path / f"1.{suffix}").write_bytes((tmp_path / f"0.{suffix}").read_bytes())
    rows = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text().splitlines()]
    lines = [json.dumps({**row, "half": "test" if i in {1, 2} else "train"})
             for i, row in enumerate(rows)]  # fmt: skip
    splits = load(tmp_path, write(tmp_path, "\n".join(lines), "b.jsonl"), parts=PARTS, split="half")
    assert duplicates_across(splits) == 1  # the same in all its parts
    splits = load(tmp_path, uri, parts=PARTS, group="who")
    assert not set(splits.train.groups) & set(splits.test.groups)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"image": "pictures"}, r"parts.image = 'pictures' is no column; did you mean 'picture'"),
        ({"image": "caption"}, "image 'animal 0' is not there"),
        ({"text": "who"}, r"holds 0 \(int\) where a text is wanted; choose another `parts.text`"),
    ],
)
def test_columns_that_do_not_hold_their_part(tmp_path: Path, parts: dict, message: str) -> None:
    named = {**PARTS, **{Modality(of): name for of, name in parts.items()}}
    with pytest.raises(DataError, match=message):
        load(tmp_path, animals(tmp_path), parts=named)


def test_a_folder_has_one_part(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="a folder of files has no columns; drop 'parts'"):
        build(TaskEntry(name="mine", data="file:folder", parts=PARTS), tmp_path, {})


def test_what_does_not_go_with_parts() -> None:
    def mistakes_of(**task: Any) -> set[str]:
        own = {"name": "mine", "data": "file:a.csv", **task}
        raw = {"suite": {"name": "x"}, "method": [{"name": "tfidf"}], "task": [own]}
        return {found.where.removeprefix("task[0].") for found in parse(raw, Path("x")).mistakes}

    two = {"image": "picture", "text": "caption"}
    assert mistakes_of(parts=two) == set()
    assert mistakes_of(parts=two, input="x", modality="image") == {"input", "modality"}
    assert mistakes_of(parts=two, transcript="said") == {"transcript"}
    assert mistakes_of(parts={"image": "picture"}) == {"parts"}
    assert mistakes_of(parts={"image": "picture", "table": "x"}) == {"parts"}
    assert mistakes_of(parts={"image": "picture", "sound": "x"})
    for modality in ("several", "table"):
        assert mistakes_of(modality=modality) == {"modality"}
