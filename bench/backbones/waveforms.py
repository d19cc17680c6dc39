"""From sounds to waveforms of one rate: resampled, trimmed where asked, in windows of seconds.

A clip is padded with silence to whole seconds, whatever else is in its batch, so that its features
depend on nothing but itself; it is not where a model would hear that silence. Beyond the longest
window a backbone takes, the end is cut off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.task import Sound

RATE = 16_000
"""Samples a second of whatever the speech models here were trained on."""
FRAME = 320
"""Samples of a frame of 20 ms, by which silence is told."""

Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedSounds:
    """Waveforms at `RATE`; the unit of a length is a second, begun or whole.

    `kept` holds what a front made of items, by position, for whoever asks for them again and again
    (training does, extraction does not).
    """

    waves: tuple[Wave, ...]
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    kept: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)


def prepare_sounds(
    sounds: Sequence[Sound], longest: int, trim_db: float | None = None
) -> PreparedSounds:
    """Resample and trim sounds, and cut off what is beyond `longest` seconds.

    `trim_db`: silence at both ends that is so far below the loudest frame is dropped.
    """
    waves, truncated = [], []
    for sound in sounds:
        if trim_db is None:  # what is cut off later need not be resampled
            sound = Sound(sound.samples[: (longest + 1) * sound.rate], sound.rate)  # noqa: PLW2901
        wave = resampled(sound)
        wave = wave if trim_db is None else trimmed(wave, trim_db)
        truncated.append(len(wave) > longest * RATE)
        waves.append(wave[: longest * RATE])
    lengths = [max(1, math.ceil(len(wave) / RATE)) for wave in waves]
    return PreparedSounds(tuple(waves), np.array(lengths, np.int64), np.array(truncated, np.bool_))


def resampled(sound: Sound) -> Wave:
    """Samples at `RATE`, by a polyphase filter (`scipy.signal.resample_poly`)."""
    if sound.rate == RATE:
        return sound.samples
    from scipy.signal import resample_poly

    common = math.gcd(sound.rate, RATE)
    found = resample_poly(sound.samples, RATE // common, sound.rate // common)
    return np.asarray(found, dtype=np.float32)


def trimmed(wave: Wave, decibels: float) -> Wave:
    """`wave` from its first to its last frame that is not `decibels` below the loudest."""
    count = max(1, math.ceil(len(wave) / FRAME))
    frames = np.pad(wave, (0, count * FRAME - len(wave))).reshape(count, FRAME)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-decibels / 10))
    return wave[loud[0] * FRAME : (loud[-1] + 1) * FRAME]
