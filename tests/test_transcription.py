"""Speech recognition on sounds of one's own, end to end: a suite, a tiny Whisper, a table."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import soundfile

from bench.assets import digest_tree
from tests import command
from tests.assets.asset_kit import serving
from tests.assets.hub_stub import COMMIT, REPOS, Hub
from tests.test_hub_suite import bench
from tests.trainable import RATE, SWEEPS, save_speech, sweep

SUITE = """
[suite]
name = "said"
budget = {{ trials = 2 }}
[[task]]
name = "tones"
data = "{data}"
modality = "audio"
input = "clip"
transcript = "sentence"
group = "speaker"
train = {{ size = 16 }}
[[backbone]]
name = "file:whisper"
label = "tiny"
modality = "audio"
[[method]]
name = "transcribe"
[[method]]
name = "finetune-transcribe"
label = "trained"
epochs = 1
least_steps = 2
[[method]]
name = "probe"
"""


def clips():
    """(name, sentence, speaker, samples): no sentence is said twice."""
    return [
        (f"{kind}-{i}.wav", f"A {kind} tone, number {i}.", i, sweep(kind, i))
        for i in range(8)
        for kind in SWEEPS
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_speech(tmp_path / "whisper", [sentence for _, sentence, _, _ in clips()])
    return tmp_path


def records_of(folder: Path) -> dict[str, dict]:
    files = (folder / "runs/said/records").iterdir()
    found = [json.loads(path.read_text())["record"] for path in files]
    return {record["method"]: record for record in found}


def test_a_table_of_sounds(folder: Path) -> None:
    (folder / "data/clips").mkdir(parents=True)
    lines = ["clip,sentence,speaker\n"]
    for name, sentence, speaker, samples in clips():
        soundfile.write(folder / "data/clips" / name, samples, RATE)
        lines.append(f'clips/{name},"{sentence}",{speaker}\n')
    (folder / "data/said.csv").write_text("".join(lines))
    (folder / "said.toml").write_text(SUITE.format(data="file:data/said.csv"))
    done = command.bench("run", "said.toml", cwd=folder, BENCH_CACHE=str(folder / "cache"))
    assert done.returncode == 0, done.stderr
    assert "probe does not do transcription" in done.stdout
    assert "word accuracy" in done.stdout
    assert "24 different transcripts" in done.stdout
    lock = (folder / "said.lock").read_text()
    assert digest_tree(folder / "whisper") in lock
    found = records_of(folder)
    assert set(found) == {"transcribe", "trained"}
    for record in found.values():
        assert record["status"] == "ok"
        assert record["main_metric"] == "word_accuracy"
        assert {"word_accuracy", "char_accuracy", "wer", "cer"} <= set(record["metrics"])
        assert record["data"]["test"] == 6
        assert record["data"]["notes"] == {"test_transcripts_in_train": 0}
        assert "tone" not in json.dumps(record["data"])  # what is said stays here
    assert found["trained"]["data"]["labels"] == 16
    assert len(found["trained"]["trials"]) == 2  # there was something to choose by


@pytest.mark.slow
def test_a_data_set_of_the_hub(folder: Path) -> None:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells: dict[str, list] = {"clip": [], "sentence": [], "speaker": []}
    for _, sentence, speaker, samples in clips():
        file = io.BytesIO()
        soundfile.write(file, samples, RATE, format="wav")
        for key, value in zip(
            cells, ({"path": None, "bytes": file.getvalue()}, sentence, speaker), strict=True
        ):
            cells[key].append(value)
    kinds = {"clip": datasets.Audio(), "sentence": datasets.Value("string")}
    features = datasets.Features({**kinds, "speaker": datasets.Value("int64")})
    stored = io.BytesIO()  # `datasets` itself writes sounds with torchcodec alone
    pq.write_table(pa.table(cells, schema=features.arrow_schema), stored)
    REPOS["datasets/org/said"] = {"data/train.parquet": stored.getvalue()}
    (folder / "said.toml").write_text(SUITE.format(data="hub:datasets/org/said"))
    try:
        with serving(Hub) as server:
            done = bench(folder, server.url, "run", "said.toml")
    finally:
        del REPOS["datasets/org/said"]
    assert done.returncode == 0, done.stderr
    assert COMMIT in (folder / "said.lock").read_text()
    found = records_of(folder)
    assert {record["status"] for record in found.values()} == {"ok"}
    assert {record["data"]["test"] for record in found.values()} == {6}


def test_mistakes_are_told_before_anything_runs(tmp_path: Path) -> None:
    suite = SUITE.format(data="file:none.csv").replace('transcript = "sentence"', "")
    (tmp_path / "said.toml").write_text(
        suite.replace('group = "speaker"', 'main_metric = "word_accuracy"')
    )
    done = command.bench("plan", "said.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "'word_accuracy' is no metric of classes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["said.toml"]
