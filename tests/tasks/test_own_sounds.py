"""Sounds of the user's: folders, paths in tables, and files that cannot be what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.core.errors import DataError
from bench.core.task import Modality
from bench.tasks._sounds import decode

from .own import load, write

TONE = np.sin(np.arange(4_000) / 5).astype(np.float32) / 2


def save(path: Path, samples: np.ndarray = TONE, rate: int = 8_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_folder_of_class_folders(tmp_path: Path, suffix: str) -> None:
    for kind in ("bell", "horn"):
        for i in range(4):
            save(tmp_path / "sounds" / kind / f"{i}.{suffix}", TONE * (i + 1) / 5)
    splits = load(tmp_path, "file:sounds", modality=Modality.AUDIO)
    assert splits.class_names == ("bell", "horn")
    assert (len(splits.train), len(splits.test)) == (6, 2)
    assert {item.rate for item in splits.train.inputs} == {8_000}


def test_paths_in_a_table(tmp_path: Path) -> None:
    lines = ""
    for i in range(8):
        save(tmp_path / "data" / "clips" / f"{i}.wav", TONE[: 1_000 + i])
        lines += f"clips/{i}.wav,{'ab'[i % 2]}\n"
    write(tmp_path / "data", "audio,label\n" + lines)
    splits = load(tmp_path, "file:data/mine.csv", modality=Modality.AUDIO)
    assert (len(splits.train), len(splits.test)) == (6, 2)


def test_a_path_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    save(tmp_path / "secret.wav")
    write(tmp_path / "data", "audio,label\n../secret.wav,a\n")
    with pytest.raises(DataError, match=r"audio '../secret.wav' is not a plain path"):
        load(tmp_path, "file:data/mine.csv", modality=Modality.AUDIO)


def test_channels_are_averaged_and_the_rate_stays(tmp_path: Path) -> None:
    save(tmp_path / "x.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1), 44_100)
    found = decode(tmp_path / "x.wav", "x")
    assert found.rate == 44_100
    np.testing.assert_allclose(found.samples, TONE / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "rate", "says"),
    [
        (np.zeros(0, np.float32), 8_000, "sound x is empty"),
        (np.full(9, np.nan, np.float32), 8_000, "holds NaN or Inf"),
        (TONE, 10, "which cannot be meant"),
    ],
)
def test_what_is_no_sound_is_one_sentence(tmp_path: Path, samples, rate: int, says: str) -> None:
    soundfile.write(tmp_path / "x.wav", samples, rate, subtype="FLOAT")
    with pytest.raises(DataError, match=says):
        decode(tmp_path / "x.wav", "x")


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all" * 9, b"fLaC" + b"\0" * 99])
def test_damaged_sounds_are_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"sound 3\.wav cannot be decoded: (?!.*BytesIO)"):
        decode(data, "3.wav")
    (tmp_path / "3.wav").write_bytes(data)
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        decode(tmp_path / "3.wav", "3.wav")
    assert str(tmp_path) not in str(caught.value)


def test_a_truncated_file_is_read_as_far_as_it_goes_or_named(tmp_path: Path) -> None:
    save(tmp_path / "x.wav")
    data = (tmp_path / "x.wav").read_bytes()
    for cut in range(0, len(data), 97):
        try:
            assert len(decode(data[:cut], "x").samples) <= len(TONE)
        except DataError as error:
            assert "sound x" in str(error)
