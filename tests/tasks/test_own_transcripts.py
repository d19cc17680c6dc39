"""Transcripts of the user's sounds: a column of a table, or of a data set of the hub."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bench.core.errors import DataError, UserError
from bench.core.suite import TaskEntry
from bench.core.task import Modality, RareRule, TaskKind
from bench.suite_file import parse
from bench.tasks import build, duplicates_across, table
from tests.trainable import RATE, sweep

from .own import load, make, write

SAID = {"modality": Modality.AUDIO, "transcript": "said"}
SENTENCES = tuple(f"sentence number {i}" for i in range(8))


def sounds(folder: Path, count: int = 8) -> list[str]:
    """Different sounds; their paths as a table has them."""
    (folder / "clips").mkdir(parents=True)
    for i in range(count):
        soundfile.write(folder / "clips" / f"{i}.wav", sweep("rising", i), RATE)
    return [f"clips/{i}.wav" for i in range(count)]


def rows_of(paths: Iterable[str], said: Iterable[Any] = SENTENCES, **more: Iterable[Any]) -> str:
    """JSON lines with the columns `audio` and `said`."""
    names = ("audio", "said", *more)
    rows = zip(paths, said, *more.values(), strict=True)
    return "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)


def said_in(splits: Any, which: str) -> list[str]:
    return [splits.class_names[i] for i in getattr(splits, which).targets]


def test_every_form_of_a_table_gives_the_same_transcripts(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = sounds(tmp_path)
    lines = [f"{path},{said}\n" for path, said in zip(paths, SENTENCES, strict=True)]
    records = [{"audio": a, "said": s} for a, s in zip(paths, SENTENCES, strict=True)]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "mine.parquet")
    found = [
        load(tmp_path, uri, **SAID)
        for uri in (
            write(tmp_path, "audio,said\n" + "".join(lines)),
            write(tmp_path, "audio\tsaid\n" + "".join(lines).replace(",", "\t"), "mine.tsv"),
            write(tmp_path, rows_of(paths), "mine.jsonl"),
            "file:mine.parquet",
        )
    ]
    for splits in found:
        assert (len(splits.train), len(splits.test)) == (6, 2)  # each sentence is said once
        assert sorted([*said_in(splits, "train"), *said_in(splits, "test")]) == list(SENTENCES)
        assert said_in(splits, "test") == said_in(found[0], "test")
        for which in ("train", "test"):
            for item, said in zip(
                getattr(splits, which).inputs, said_in(splits, which), strict=True
            ):
                wanted = sweep("rising", int(said[-1]))
                np.testing.assert_allclose(item.samples, wanted, atol=1e-4)


def test_it_is_a_task_of_words(tmp_path: Path) -> None:
    spec = make(tmp_path, write(tmp_path, rows_of(sounds(tmp_path)), "a.jsonl"), **SAID).spec
    assert (spec.kind, spec.rare) == (TaskKind.TRANSCRIPTION, RareRule.NO_CLASSES)
    assert spec.main_metric == "word_accuracy"


def test_the_fingerprint_holds_column_and_sounds(tmp_path: Path) -> None:
    paths = sounds(tmp_path)
    uri = write(tmp_path, rows_of(paths, also=SENTENCES), "a.jsonl")
    base = make(tmp_path, uri, **SAID).spec.fingerprint
    assert make(tmp_path, uri, **SAID).spec.fingerprint == base
    others = ({**SAID, "transcript": "also"}, {"modality": Modality.AUDIO, "label": "said"})
    for other in others:
        assert make(tmp_path, uri, **other).spec.fingerprint != base
    soundfile.write(tmp_path / paths[0], sweep("falling", 0), RATE)
    assert make(tmp_path, uri, **SAID).spec.fingerprint != base


def test_what_divides_other_data_divides_these(tmp_path: Path) -> None:
    paths, halves = sounds(tmp_path), ["train"] * 5 + ["test"] * 3
    who = [f"speaker {i // 2}" for i in range(8)]
    uri = write(tmp_path, rows_of(paths, half=halves, who=who, at=range(8)), "a.jsonl")
    splits = load(tmp_path, uri, split="half", **SAID)
    assert said_in(splits, "test") == list(SENTENCES[5:])
    splits = load(tmp_path, uri, time="at", **SAID)
    assert said_in(splits, "test") == list(SENTENCES[6:])
    splits = load(tmp_path, uri, group="who", **SAID)
    assert len(splits.test) == 2
    assert not set(splits.train.groups) & set(splits.test.groups)
    first = write(tmp_path, rows_of(paths[:4], SENTENCES[:4]), "b.jsonl")
    other = write(tmp_path, rows_of(paths[4:], SENTENCES[4:]), "c.jsonl")
    splits = load(tmp_path, first, test=other, **SAID)
    assert said_in(splits, "test") == list(SENTENCES[4:])


def test_what_stands_on_both_sides_is_counted(tmp_path: Path) -> None:
    paths = sounds(tmp_path)
    said = ["Good day.", "good day", *SENTENCES[2:]]
    halves = ["train", "test"] * 4
    uri = write(tmp_path, rows_of([paths[0], *paths[:1], *paths[2:]], said, half=halves), "a.jsonl")
    splits = load(tmp_path, uri, split="half", **SAID)
    assert duplicates_across(splits) == 1
    assert dict(splits.notes) == {"test_transcripts_in_train": 1}
    # a sentence stays on one side where its column is the group
    many = write(tmp_path, rows_of(paths, list("aabbccdd")), "b.jsonl")
    assert load(tmp_path, many, group="said", **SAID).notes["test_transcripts_in_train"] == 0


def test_rows_that_nobody_wrote_down_are_counted(tmp_path: Path) -> None:
    uri = write(tmp_path, rows_of(sounds(tmp_path), [None, *SENTENCES[1:]]), "a.jsonl")
    splits = load(tmp_path, uri, **SAID)
    assert len(splits.train) + len(splits.test) == 7
    assert splits.notes["rows_dropped_without_transcript"] == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["", *SENTENCES[1:]], r"'said' has no words in row 1 \(''\)"),
        ([SENTENCES[0], "[noise]", " ", *SENTENCES[3:]], "no words in row 2 and in 1 more"),
        ([5, *SENTENCES[1:]], r"holds 5 \(int\) where a transcript is wanted"),
    ],
)
def test_transcripts_without_words_are_refused(tmp_path: Path, said: list, message: str) -> None:
    uri = write(tmp_path, rows_of(sounds(tmp_path), said), "a.jsonl")
    with pytest.raises(DataError, match=message):
        load(tmp_path, uri, **SAID)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    uri = write(tmp_path, rows_of(sounds(tmp_path)), "a.jsonl")
    with pytest.raises(DataError, match=r"transcript = 'sad' is no column; did you mean 'said'\?"):
        load(tmp_path, uri, modality=Modality.AUDIO, transcript="sad")


def test_a_folder_has_no_transcripts(tmp_path: Path) -> None:
    sounds(tmp_path / "folder")
    with pytest.raises(UserError, match="a folder of files has no transcripts; name a table"):
        build(TaskEntry(name="mine", data="file:folder", **SAID), tmp_path, {})


def mistakes_of(**task: Any) -> dict[str, str]:
    """What is wrong with the form of such a task, by place."""
    raw = {"suite": {"name": "x"}, "method": [{"name": "transcribe"}], "task": [task]}
    return {found.where: found.message for found in parse(raw, Path("x.toml")).mistakes}


def test_what_does_not_go_with_transcripts() -> None:
    own = {"name": "mine", "data": "file:a.csv", "transcript": "said"}
    audio = {**own, "modality": "audio"}
    assert mistakes_of(**audio) == {}
    assert mistakes_of(**audio, train={"size": 8}) == {}
    said = 'is what is said in sounds: it needs modality = "audio" beside it'
    assert mistakes_of(**own) == {"task[0].transcript": said}
    assert mistakes_of(**own, modality="image") == {"task[0].transcript": said}
    assert set(mistakes_of(**audio, label="x", class_names={"a": "b"})) == {
        "task[0].label",
        "task[0].class_names",
    }
    for size in (8, [4, "full"]):
        assert set(mistakes_of(**audio, train={"per_class": size})) == {"task[0].train.per_class"}
    (found,) = mistakes_of(name="fsdd-words", transcript="said").values()
    assert found == "is for your own data: it needs `data` beside it"


def test_transcripts_of_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    clips = sounds(tmp_path / "own")
    features = datasets.Features({"audio": datasets.Audio(), "said": datasets.Value("string")})
    cells = [{"path": None, "bytes": (tmp_path / "own" / clip).read_bytes()} for clip in clips]
    hub = tmp_path / "hub"
    hub.mkdir()
    for split, part in (("train", slice(0, 5)), ("test", slice(5, 8))):
        columns = {"audio": cells[part], "said": SENTENCES[part]}
        # the schema names the kinds: `datasets` itself writes sounds with torchcodec alone
        made = pa.table(columns, schema=features.arrow_schema)
        pq.write_table(made, hub / f"{split}.parquet")
    uri = "hub:datasets/org/name@" + "a" * 40
    task = build(TaskEntry(name="mine", data=uri, **SAID), tmp_path, {})
    monkeypatch.setattr(table, "resolve", lambda asset: {asset.sources[0].path: hub})
    splits = task.load()
    assert said_in(splits, "test") == list(SENTENCES[5:])
    assert [item.rate for item in splits.test.inputs] == [RATE] * 3
