"""Decoding one sound of the user's."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from bench.core.errors import DataError
from bench.core.task import Sound

LONGEST_SECONDS = 3600
"""A longer file is no item of a data set; it would take gigabytes."""
SLOWEST, FASTEST = 1_000, 768_000
"""Samples a second that can be meant."""


def decode(source: Path | bytes, name: str) -> Sound:
    """Decode one sound; channels are averaged into one, the rate stays what it is.

    Raises:
        DataError: if it is damaged, empty, too long, or no sound.
    """
    import soundfile

    try:
        opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        with soundfile.SoundFile(opened) as file:
            rate, frames = int(file.samplerate), int(file.frames)
            if not SLOWEST <= rate <= FASTEST:
                raise DataError(f"sound {name} has {rate} samples a second, which cannot be meant")
            if frames > LONGEST_SECONDS * rate:
                raise DataError(
                    f"sound {name} is longer than {LONGEST_SECONDS // 60} minutes; cut it up"
                )
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError, ValueError) as error:
        raise DataError(f"sound {name} cannot be decoded: {_why(error)}") from error
    if not len(samples):
        raise DataError(f"sound {name} is empty: it has no samples")
    if not np.isfinite(samples).all():
        raise DataError(f"sound {name} holds NaN or Inf")
    return Sound(np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), rate)


def _why(error: Exception) -> str:
    """The library's words, without the path or address that they begin with."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).rpartition(": ")[2].strip() or type(error).__name__
