"""Articles of clothing (Xiao, Rasul & Vollgraf, 2017), with the official split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.asset import Asset, Source, Unpack
from bench.core.errors import DataError
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset

URI = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
    "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion"
)
DIGESTS = {  # of the unpacked bytes: the .gz around them differs between hosts
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CLASSES = (  # labels 0 to 9, as the authors' README lists them
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
UBYTE = 8  # idx type code of unsigned bytes


def read(files: Mapping[str, Path]) -> Splits:
    """Read the four idx files; sources are named with .gz, their bytes come unpacked."""
    train, test = (
        Split(
            inputs=list(_idx(files[f"{part}-images-idx3-ubyte.gz"])),
            targets=_idx(files[f"{part}-labels-idx1-ubyte.gz"]).astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    return Splits(train, test, CLASSES)


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes: 0, 0, type, dimensions, big-endian sizes, values."""
    data = path.read_bytes()
    if data[:3] != bytes([0, 0, UBYTE]):
        raise DataError(f"{path.name} is no idx file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = np.frombuffer(data[4:start], dtype=">u4").astype(np.int64)
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


SPEC = TaskSpec(
    name="fashion-mnist",
    version=1,
    modality=Modality.IMAGE,
    summary="Articles of clothing, 28 x 28 grey",
    assets=(
        Asset(
            name="fashion-mnist",
            sources=tuple(
                Source(f"{name}.gz", (f"{URI}/{name}.gz",), sha256, unpack=Unpack.GZIP)
                for name, sha256 in DIGESTS.items()
            ),
            license="MIT",
            bytes_download=30_878_645,
            homepage="https://github.com/zalandoresearch/fashion-mnist",
        ),
    ),
    train_size=60_000,
    test_size=10_000,
    classes=10,
)

TASKS = (Dataset(SPEC, read),)
