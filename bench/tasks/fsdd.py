"""Spoken digits: six speakers say each of ten digits fifty times, at 8 kHz (Jackson et al., 2018).

Five problems in one data set: which digit, with the customary split; which digit, by two speakers
who were never heard (three pairs, so that everybody is tested once); which speaker, with the
customary split; which speaker, trained on the digits 0 to 4 and tested on 5 to 9; and what is said,
as words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.core.asset import Asset, Source, Unpack
from bench.core.errors import DataError
from bench.core.task import Modality, Split, Splits, TaskKind, TaskSpec
from bench.tasks._dataset import Dataset
from bench.tasks._media import Media

COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
FOLDER = f"free-spoken-digit-dataset-{COMMIT}/recordings/"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS = tuple("0123456789")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HELD_OUT = {"a": ("george", "jackson"), "b": ("lucas", "nicolas"), "c": ("theo", "yweweler")}
TEST_INDICES = 5
"""The first recordings of each digit and speaker are the customary test split."""

ASSET = Asset(
    name="fsdd",
    sources=(
        Source(
            path="recordings",
            uris=(f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.zip",),
            sha256="710951a2589b3ada7d439d4478090cd83b6eed3c738ae7ae04a030fa0f61ed88",
            tree=True,
            unpack=Unpack.ZIP,
            member=FOLDER,
        ),
    ),
    license="CC-BY-SA-4.0",
    bytes_download=21_128_848,  # of the recordings unpacked: the archive was not fetched here
    homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
)

Clip = tuple[int, int, int]
"""Digit, position of the speaker, number of the recording."""


def clip_of(path: Path) -> Clip:
    """What `{digit}_{speaker}_{number}.wav` says.

    Raises:
        DataError: if it says something else.
    """
    digit, _, rest = path.stem.partition("_")
    speaker, _, number = rest.rpartition("_")
    if digit not in DIGITS or speaker not in SPEAKERS or not number.isdigit():
        raise DataError(f"{path.name} is no recording of a digit by a known speaker")
    return int(digit), SPEAKERS.index(speaker), int(number)


def reader(
    names: tuple[str, ...],
    target: Callable[[Clip], int],
    tested: Callable[[Clip], bool],
    *,
    grouped: bool = False,
) -> Callable[[Mapping[str, Path]], Splits]:
    """A function that reads the recordings: `target` of each, and which are tested on.

    With `grouped`, tuning keeps a speaker on one side, too.
    """

    def read(files: Mapping[str, Path]) -> Splits:
        paths = sorted(files["recordings"].glob("*.wav"))
        clips = [clip_of(path) for path in paths]
        sounds = Media(Modality.AUDIO, tuple(paths), tuple(path.name for path in paths))
        targets = np.array([target(clip) for clip in clips], dtype=np.int64)
        speakers = np.array([clip[1] for clip in clips], dtype=np.int64)
        test = np.array([tested(clip) for clip in clips], dtype=np.bool_)

        def split(wanted: np.ndarray) -> Split:
            chosen = np.flatnonzero(wanted)
            groups = speakers[chosen] if grouped else None
            return Split(list(sounds.take(chosen)), targets[chosen], groups)

        return Splits(split(~test), split(test), names)

    return read


def spec_of(
    name: str,
    summary: str,
    train: int,
    test: int,
    classes: int,
    kind: TaskKind = TaskKind.CLASSIFICATION,
) -> TaskSpec:
    """The description of one of the problems."""
    return TaskSpec(
        name=name,
        version=1,
        modality=Modality.AUDIO,
        summary=summary,
        assets=(ASSET,),
        train_size=train,
        test_size=test,
        classes=classes,
        kind=kind,
        main_metric="word_accuracy" if kind is TaskKind.TRANSCRIPTION else "accuracy",
    )


def customary(clip: Clip) -> bool:
    return clip[2] < TEST_INDICES


def held_out(speakers: tuple[str, ...]) -> Callable[[Clip], bool]:
    return lambda clip: SPEAKERS[clip[1]] in speakers


DIGIT = Dataset(
    spec_of("fsdd", "Spoken digits of six speakers, customary split", 2_700, 300, 10),
    reader(DIGITS, lambda clip: clip[0], customary),
)
TASKS = (
    Dataset(
        spec_of(
            "fsdd-words",
            "What is said: digits as words, customary split",
            2_700,
            300,
            10,
            TaskKind.TRANSCRIPTION,
        ),
        reader(WORDS, lambda clip: clip[0], customary),
    ),
    DIGIT,
    Dataset(
        spec_of("fsdd-speaker", "Who of six speaks, customary split", 2_700, 300, 6),
        reader(SPEAKERS, lambda clip: clip[1], customary),
    ),
    Dataset(
        spec_of("fsdd-speaker-shift", "Who of six speaks, by digits never heard", 1_500, 1_500, 6),
        reader(SPEAKERS, lambda clip: clip[1], lambda clip: clip[0] >= 5),
    ),
    *(
        Dataset(
            spec_of(
                f"fsdd-held-out-{letter}",
                f"Spoken digits of {' and '.join(pair)}, who were never heard",
                2_000,
                1_000,
                10,
            ),
            reader(DIGITS, lambda clip: clip[0], held_out(pair), grouped=True),
        )
        for letter, pair in HELD_OUT.items()
    ),
)
