"""What is done to test inputs to see how far a score holds: corruptions in five severities.

A condition is a name and a severity, "typos-3", or "missing-PART" for inputs of several parts.
What happens to an item depends on the item and the condition alone. The kinds and the idea of five
severities are those of Hendrycks & Dietterich 2019 (arXiv:1903.12261); the strengths are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.core.errors import DataError, did_you_mean
from bench.core.identity import generator, item_digest
from bench.core.task import Input, Joined, Modality, Sound, TaskSpec

SEVERITIES = 5
CLEAN, MISSING = "clean", "missing-"

Random = np.random.Generator
Image = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Condition:
    """A corruption: `levels` are its strengths from severity 1 to 5, in `unit`."""

    modality: Modality
    unit: str
    levels: tuple[float, ...]
    change: Callable[[Any, float, Random], Input]


def typos(text: str, share: float, random: Random) -> str:
    """Letters swapped, dropped, doubled or replaced, a `share` of them."""
    letters = list(text)
    places = [i for i, letter in enumerate(letters) if letter.isalpha()]
    count = round(share * len(places))
    for i in random.permutation(len(places))[:count]:
        at, kind = places[i], int(random.integers(4))
        if kind == 0 and at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        else:
            letter = letters[at]
            other = chr(ord("a") + int(random.integers(26)))
            letters[at] = ("", "", letter * 2, other)[kind]
    return "".join(letters)


def upper(text: str, share: float, random: Random) -> str:
    """A `share` of the words in capitals."""
    words = text.split(" ")
    chosen = set(random.permutation(len(words))[: round(share * len(words))].tolist())
    return " ".join(word.upper() if i in chosen else word for i, word in enumerate(words))


def cut(text: str, share: float, random: Random) -> str:  # noqa: ARG001 -- nothing to choose
    """The last `share` of the words is gone."""
    words = text.split(" ")
    return " ".join(words[: max(1, round((1 - share) * len(words)))])


def noise(image: Image, deviation: float, random: Random) -> Image:
    """Gaussian noise of so many shades of 255."""
    made = image.astype(np.float64) + random.normal(0.0, deviation, image.shape)
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def blur(image: Image, share: float, random: Random) -> Image:  # noqa: ARG001
    """A Gaussian whose deviation is a `share` of the shorter side."""
    from PIL import Image as Pillow
    from PIL import ImageFilter

    radius = share * min(image.shape[:2])
    return np.array(Pillow.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def contrast(image: Image, factor: float, random: Random) -> Image:  # noqa: ARG001
    """Shades drawn together around their mean."""
    mean = float(image.mean())
    made = (image.astype(np.float64) - mean) * factor + mean
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def rotation(image: Image, degrees: float, random: Random) -> Image:
    """Turned by so many degrees, one way or the other; corners get the darkest shade."""
    from PIL import Image as Pillow

    angle = degrees if random.integers(2) else -degrees
    turned = Pillow.fromarray(image).rotate(angle, Pillow.Resampling.BILINEAR)
    return np.array(turned)


def hiss(sound: Sound, decibels: float, random: Random) -> Sound:
    """White noise at a ratio of signal to noise in `decibels`."""
    power = float(np.square(sound.samples, dtype=np.float64).mean())
    scale = np.sqrt(power * 10 ** (-decibels / 10))
    made = sound.samples + scale * random.standard_normal(len(sound.samples))
    return Sound(made.astype(np.float32), sound.rate)


def speed(sound: Sound, change: float, random: Random) -> Sound:
    """Played faster or slower by so large a share, pitch with it."""
    factor = 1 + change if random.integers(2) else 1 / (1 + change)
    count = max(1, round(len(sound.samples) / factor))
    places = np.linspace(0, len(sound.samples) - 1, count)
    made = np.interp(places, np.arange(len(sound.samples)), sound.samples)
    return Sound(made.astype(np.float32), sound.rate)


def clipping(sound: Sound, share: float, random: Random) -> Sound:  # noqa: ARG001
    """The loudest `share` of samples cut off at one level."""
    level = np.quantile(np.abs(sound.samples), 1 - share) if len(sound.samples) else 1.0
    return Sound(np.clip(sound.samples, -level, level).astype(np.float32), sound.rate)


CONDITIONS: Mapping[str, Condition] = {
    "typos": Condition(Modality.TEXT, "of letters", (0.02, 0.05, 0.1, 0.2, 0.3), typos),
    "case": Condition(Modality.TEXT, "of words", (0.1, 0.25, 0.5, 0.75, 1.0), upper),
    "truncation": Condition(Modality.TEXT, "of words", (0.1, 0.25, 0.5, 0.75, 0.9), cut),
    "noise": Condition(Modality.IMAGE, "shades", (10, 20, 40, 60, 90), noise),
    "blur": Condition(Modality.IMAGE, "of the side", (0.01, 0.02, 0.03, 0.05, 0.08), blur),
    "contrast": Condition(Modality.IMAGE, "of contrast", (0.75, 0.5, 0.35, 0.2, 0.1), contrast),
    "rotation": Condition(Modality.IMAGE, "degrees", (5, 10, 20, 30, 45), rotation),
    "hiss": Condition(Modality.AUDIO, "dB", (30, 20, 10, 5, 0), hiss),
    "speed": Condition(Modality.AUDIO, "of speed", (0.05, 0.1, 0.2, 0.35, 0.5), speed),
    "clipping": Condition(Modality.AUDIO, "of samples", (0.01, 0.05, 0.1, 0.25, 0.5), clipping),
}


def mistake(condition: str) -> str | None:
    """What is wrong with the name of a condition; None where nothing is."""
    if condition == CLEAN or (condition.startswith(MISSING) and condition != MISSING):
        return None
    name, _, severity = condition.rpartition("-")
    if condition in CONDITIONS:
        return f"{condition!r} wants a severity from 1 to {SEVERITIES}: '{condition}-3'"
    if name not in CONDITIONS:
        near = did_you_mean(name or condition, CONDITIONS)
        return f"no condition is {condition!r}{near}: NAME-SEVERITY, or missing-PART"
    if severity not in {str(i) for i in range(1, SEVERITIES + 1)}:
        return f"{condition!r}: a severity is 1 to {SEVERITIES}"
    return None


def unfit(condition: str, spec: TaskSpec) -> str | None:
    """Why a condition does not fit a task; None where it does."""
    if condition.startswith(MISSING):
        part = condition.removeprefix(MISSING)
        near = did_you_mean(part, spec.parts)
        return None if part in spec.parts else f"{spec.name} has no part {part!r}{near}"
    if condition == CLEAN:
        return None
    modality = CONDITIONS[condition.rpartition("-")[0]].modality
    return None if spec.reads(modality) else f"{condition} changes {modality}; {spec.name} has none"


def apply(condition: str, inputs: Sequence[Input], spec: TaskSpec) -> Sequence[Input]:
    """The inputs as they are under a condition; of several parts, the one that it is of.

    Raises:
        DataError: if it does not fit the task.
    """
    if wrong := unfit(condition, spec):
        raise DataError(f"task {spec.name!r}: {wrong}")
    if condition == CLEAN:
        return inputs
    if condition.startswith(MISSING):
        part = condition.removeprefix(MISSING)
        return [Joined({**item.parts, part: None}) for item in inputs]
    name, _, severity = condition.rpartition("-")
    found = CONDITIONS[name]
    level, part_of = found.levels[int(severity) - 1], spec.part(found.modality)

    def changed(item: Input) -> Input:
        if item is None or (isinstance(item, Sound) and not len(item.samples)):
            return item  # a missing part, or a sound without a sample
        random = generator(condition, item_digest(item).hex())
        return found.change(item, level, random)

    if part_of is None:
        return [changed(item) for item in inputs]
    return [Joined({**item.parts, part_of: changed(item.parts[part_of])}) for item in inputs]
