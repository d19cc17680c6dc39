"""Questions to a bank: 77 fine-grained intents (Casanueva et al., 2020)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from bench.core.asset import Asset, Source
from bench.core.task import Modality, Splits, TaskSpec
from bench.tasks._dataset import Dataset, labelled

URI = (
    "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/"
    "57ec275d8078af65b7731c2a98be812d844a6d6b/banking_data"
)


def read(files: Mapping[str, Path]) -> Splits:
    """Read both files; the order of rows is the files' (published protocols depend on it)."""
    return labelled(_rows(files["train.csv"]), _rows(files["test.csv"]))


def _rows(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [(row["category"], row["text"]) for row in csv.DictReader(lines)]


SPEC = TaskSpec(
    name="banking77",
    version=1,
    modality=Modality.TEXT,
    summary="Questions to a bank, 77 intents",
    assets=(
        Asset(
            name="banking77",
            sources=(
                Source(
                    "train.csv",
                    (f"{URI}/train.csv",),
                    "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b",
                ),
                Source(
                    "test.csv",
                    (f"{URI}/test.csv",),
                    "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d",
                ),
            ),
            license="CC-BY-4.0",
            bytes_download=1_079_034,
            homepage="https://github.com/PolyAI-LDN/task-specific-datasets",
        ),
    ),
    train_size=10_003,
    test_size=3_080,
    classes=77,
    units=16.0,  # WordPiece tokens (MiniLM's)
)

TASKS = (Dataset(SPEC, read),)
