"""Handwritten digits that come with scikit-learn: nothing to download."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.core.asset import Asset, Source
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset
from bench.tasks._divide import stratified

FILE = "digits.csv.gz"
TEST_SHARE = 0.25
SIDE = 8
SHADES = 16  # pixels count the ink in 4 x 4 bits: 0 to 16


def read(files: Mapping[str, Path]) -> Splits:
    """Read rows of 64 counts and a label; the counts are stretched to 0 ... 255."""
    text = gzip.decompress(files[FILE].read_bytes()).decode("ascii")
    table = np.array([line.split(",") for line in text.split()], dtype=np.float64)
    pixels = np.rint(table[:, :-1] * (255 / SHADES)).astype(np.uint8)
    targets = table[:, -1].astype(np.int64)
    pool = Split(inputs=list(pixels.reshape(-1, SIDE, SIDE)), targets=targets)
    division = stratified(targets, TEST_SHARE)
    names = tuple("0123456789")
    return Splits(pool.take(division.train), pool.take(division.test), names)


SPEC = TaskSpec(
    name="digits",
    version=1,
    modality=Modality.IMAGE,
    summary="Handwritten digits, 8 x 8 grey, bundled with scikit-learn",
    assets=(
        Asset(
            name="digits",
            sources=(
                Source(
                    FILE,
                    (f"package:sklearn#datasets/data/{FILE}",),
                    "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
                ),
            ),
            license="UCI optdigits: CC-BY-4.0; the package that carries it: BSD-3-Clause",
            homepage="https://archive.ics.uci.edu/dataset/80",
        ),
    ),
    train_size=1_347,
    test_size=450,
    classes=10,
    settings={"test_share": TEST_SHARE},
)

TASKS = (Dataset(SPEC, read),)
