"""Questions by the kind of answer they ask for (Li & Roth, 2002)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.core.asset import Asset, Source
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset, class_ids

URI = (
    "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/"
    "d61ded09c99c0199d8c5bca946cd65864de2b296/data"
)

CLASSES = ("description", "entity", "abbreviation", "human", "location", "number")
"""What the file's labels 0 to 5 mean.

The file does not say; told by reading questions of each ("What does S.O.S. stand for ?" is
2, "Who killed Gandhi ?" 3, "When was Ozzy Osbourne born ?" 5), and by their counts, which
are those of the original's DESC 1,162, ENTY 1,250, ABBR 86, HUM 1,223, LOC 835, NUM 896.
"""


def read(files: Mapping[str, Path]) -> Splits:
    """Read both files."""
    return Splits(_split(files["TREC.train.all"]), _split(files["TREC.test.all"]), CLASSES)


def _split(path: Path) -> Split:
    """Lines "LABEL question" in latin-1."""
    rows = [line.partition(" ") for line in path.read_text("latin-1").split("\n") if line]
    digits = [str(i) for i in range(len(CLASSES))]
    targets = class_ids([label for label, _, _ in rows], digits)
    return Split(inputs=[question for _, _, question in rows], targets=targets)


SPEC = TaskSpec(
    name="trec",
    version=1,
    modality=Modality.TEXT,
    summary="Questions, 6 kinds of answer",
    assets=(
        Asset(
            name="trec",
            sources=(
                Source(
                    "TREC.train.all",
                    (f"{URI}/TREC.train.all",),
                    "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e",
                ),
                Source(
                    "TREC.test.all",
                    (f"{URI}/TREC.test.all",),
                    "92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566",
                ),
            ),
            license="no licence stated; customary in research (Li & Roth, 2002)",
            bytes_download=311_879,
            homepage="https://cogcomp.seas.upenn.edu/Data/QA/QC/",
        ),
    ),
    train_size=5_452,
    test_size=500,
    classes=6,
    units=13.2,  # WordPiece tokens (MiniLM's)
)

TASKS = (Dataset(SPEC, read),)
