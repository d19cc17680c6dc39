"""A handwritten and a spoken digit of the same class: a synthetic pairing, and named as one.

Images are those of mnist-5k, sounds those of fsdd, paired by label within each split and never
across splits. No person wrote and said them at once: what a method gains by the second part is how
far two views help each other when their mistakes have nothing to do with one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.core.identity import generator
from bench.core.task import Joined, Modality, Split, Splits, TaskSpec
from bench.tasks import fsdd, mnist_5k

PARTS = {"image": Modality.IMAGE, "sound": Modality.AUDIO}


@dataclass(frozen=True, slots=True)
class DigitPairs:
    """See the module."""

    spec: TaskSpec

    def load(self) -> Splits:
        """Pair the two tasks' items.

        Raises:
            AssetError: if the bytes cannot be had.
        """
        images, sounds = mnist_5k.TASKS[0].load(), fsdd.DIGIT.load()
        return Splits(
            train=paired(images.train, sounds.train, "train"),
            test=paired(images.test, sounds.test, "test"),
            class_names=images.class_names,
            notes={"pairing": "synthetic: by label"},
        )


def paired(images: Split, sounds: Split, which: str) -> Split:
    """As many pairs of a class as the smaller side has, each item once, in a mixed order."""
    pairs: list[tuple[int, int, int]] = []
    for label in np.unique(images.targets):
        sides: Sequence[np.ndarray] = [
            generator("digit-pairs", which, name, int(label)).permutation(
                np.flatnonzero(split.targets == label)
            )
            for name, split in (("image", images), ("sound", sounds))
        ]
        pairs += [(int(i), int(s), int(label)) for i, s in zip(*sides, strict=False)]
    order = generator("digit-pairs", which).permutation(len(pairs))
    chosen = [pairs[i] for i in order]
    return Split(
        [Joined({"image": images.inputs[i], "sound": sounds.inputs[s]}) for i, s, _ in chosen],
        np.array([label for _, _, label in chosen], dtype=np.int64),
    )


SPEC = TaskSpec(
    name="digit-pairs",
    version=1,
    modality=Modality.SEVERAL,
    summary="A handwritten and a spoken digit, paired by label (synthetic)",
    assets=(*mnist_5k.SPEC.assets, fsdd.ASSET),
    train_size=2_700,
    test_size=300,
    classes=10,
    parts=PARTS,
)

TASKS = (DigitPairs(SPEC),)
