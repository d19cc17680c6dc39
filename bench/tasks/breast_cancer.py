"""Cell nuclei of breast tumours, measured: malignant or benign (Street et al., 1993).

Bundled with scikit-learn: nothing to download. The same rows as numbers and as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.core.asset import Asset, Source
from bench.core.errors import DataError
from bench.core.task import Input, Modality, Splits, TaskSpec
from bench.tasks._dataset import Dataset
from bench.tasks._records import Columns, divided, numbers, words

FILE = "breast_cancer.csv"
HEADER = "569,30,malignant,benign"
CLASSES = ("malignant", "benign")
TEST_SHARE = 0.25
MEASURED = (
    "radius", "texture", "perimeter", "area", "smoothness",
    "compactness", "concavity", "concave points", "symmetry", "fractal dimension",
)  # fmt: skip
COLUMNS = (
    *(f"mean {name}" for name in MEASURED),
    *(f"{name} error" for name in MEASURED),
    *(f"worst {name}" for name in MEASURED),
)
"""In the order of the file, which does not name them (`sklearn.datasets.load_breast_cancer`)."""


def reader(made: Callable[[Columns], Sequence[Input]]) -> Callable[[Mapping[str, Path]], Splits]:
    """A function that reads the file, with inputs made of its columns."""

    def read(files: Mapping[str, Path]) -> Splits:
        first, *lines = files[FILE].read_text(encoding="ascii").split()
        if first != HEADER:
            raise DataError(f"{FILE}: the first row is {first!r}, not {HEADER!r}")
        *values, labels = zip(*(line.split(",") for line in lines), strict=True)
        inputs = made(dict(zip(COLUMNS, values, strict=True)))
        return divided(inputs, np.array(labels, dtype=np.int64), CLASSES, TEST_SHARE)

    return read


ASSET = Asset(
    name="breast-cancer",
    sources=(
        Source(
            FILE,
            (f"package:sklearn#datasets/data/{FILE}",),
            "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
        ),
    ),
    license="UCI breast cancer Wisconsin (diagnostic): CC-BY-4.0; the package that carries it:"
    " BSD-3-Clause",
    homepage="https://archive.ics.uci.edu/dataset/17",
)


def spec_of(name: str, modality: Modality, summary: str, units: float) -> TaskSpec:
    """The description of one form."""
    return TaskSpec(
        name=name,
        version=1,
        modality=modality,
        summary=summary,
        assets=(ASSET,),
        train_size=427,
        test_size=142,
        classes=2,
        units=units,
        settings={"test_share": TEST_SHARE},
    )


TASKS = (
    Dataset(
        spec_of("breast-cancer", Modality.TABLE, "Tumours by 30 measurements of cell nuclei", 1.0),
        reader(numbers),
    ),
    Dataset(
        spec_of(
            "breast-cancer-text", Modality.TEXT, "The rows of breast-cancer written out", 270.0
        ),
        reader(words),
    ),
)
