"""Images a little changed, each time they are learned from: none of it touches a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Image = Any  # a Pillow image
Augment = Callable[[Image], Image]

SHIFT = 0.125
"""Of the side, at most, in either direction: 4 of 32 pixels, as He et al. 2016 (arXiv:1512.03385,
section 4.2) pad and crop."""


def augmenter(kinds: str, seed: int) -> Augment:
    """A function that flips images left to right ("flip", every other time), shifts them ("shift",
    the edge goes on where they leave), or both ("flip+shift")."""
    random, wanted = np.random.default_rng(seed), set(kinds.split("+"))

    def change(image: Image) -> Image:
        from PIL import Image as Pillow

        array = np.asarray(image)
        if "flip" in wanted and random.integers(2):
            array = array[:, ::-1]
        if "shift" in wanted:
            rows, columns = (max(1, round(SHIFT * side)) for side in array.shape[:2])
            wide = np.pad(array, ((rows, rows), (columns, columns), (0, 0)), mode="edge")
            top = int(random.integers(2 * rows + 1))
            left = int(random.integers(2 * columns + 1))
            array = wide[top : top + array.shape[0], left : left + array.shape[1]]
        return Pillow.fromarray(np.ascontiguousarray(array))

    return change
