"""Will this user like this film? 100,000 ratings of 1997 and 1998 (Harper & Konstan, 2015).

A rating of 4 or 5 is a like. An input is the film as a sentence, and the user as a row of what was
known when the rating was made: no column looks at a rating of the same moment or later. The last
fifth of the ratings is the test split; there, too, a row knows the ratings before it, as a
recommender in use does. The popularity baseline knows the film's earlier ratings alone.

The data are those of the RecBole wheel, which is read, never installed or imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.asset import Asset, Source
from bench.core.errors import DataError
from bench.core.task import Input, Joined, Modality, Split, Splits, TaskSpec
from bench.tasks._dataset import Dataset
from bench.tasks._divide import latest

WHEEL = "pypi:recbole==1.2.1#recbole/dataset_example/ml-100k"
LIKED = 4
TEST_SHARE = 0.2
CLASSES = ("disliked", "liked")
COLUMNS = (
    "log10(1 + ratings of the user so far)",
    "share of them that were likes",
    "log10(1 + those of films that share a genre with this one, a genre at a time)",
    "share of likes among those of a genre, mean over the film's genres",
    "age / 100 years",
    "woman",
)
"""Of a user's row; a share of nothing is NaN. All are of about one size, as some methods scale all
features by one factor."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ratings:
    """The ratings `(n,)` in the order of the file, with films and users as positions."""

    user: NDArray[np.int64]
    film: NDArray[np.int64]
    liked: NDArray[np.int64]
    time: NDArray[np.int64]
    films: Sequence[str]  # as sentences
    genres: NDArray[np.bool_]  # of each film, (films, genres)
    people: Rows  # of each user: age / 100, woman


def read_ratings(files: Mapping[str, Path]) -> Ratings:
    """The three files as one.

    Raises:
        DataError: if a rating names a film or a user that is not there.
    """
    ratings = table(files["ml-100k.inter"]).astype(float)
    films, users = table(files["ml-100k.item"]), table(files["ml-100k.user"])
    film_ids, user_ids = films["item_id"].astype(int), users["user_id"].astype(int)
    kinds = [str(kinds).split() for kinds in films["class"]]
    every = sorted({kind for each in kinds for kind in each})
    titles = zip(films["movie_title"], films["release_year"], kinds, strict=True)
    return Ratings(
        user=positions(ratings["user_id"], user_ids, "user"),
        film=positions(ratings["item_id"], film_ids, "film"),
        liked=(ratings["rating"] >= LIKED).to_numpy().astype(np.int64),
        time=ratings["timestamp"].to_numpy().astype(np.int64),
        films=[sentence(title, year, each) for title, year, each in titles],
        genres=np.array([[kind in each for kind in every] for each in kinds], dtype=np.bool_),
        people=np.stack([users["age"].astype(float) / 100, users["gender"] == "F"], axis=1).astype(
            np.float32
        ),
    )


def table(path: Path) -> Any:
    """A file of RecBole's as a frame of words; its header names a type after each name."""
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    return frame.rename(columns=lambda name: name.partition(":")[0])


def positions(wanted: Any, known: Any, what: str) -> NDArray[np.int64]:
    """Where each of `wanted` `(n,)` stands in `known`."""
    import pandas as pd

    found: NDArray[np.int64] = pd.Index(known).get_indexer(wanted.astype(int)).astype(np.int64)
    if (found < 0).any():
        raise DataError(f"ml-100k: a rating of a {what} that is not in the list of {what}s")
    return found


def sentence(title: str, year: str, genres: Sequence[str]) -> str:
    """A film in words: "Toy Story (1995): Animation, Children's, Comedy." """
    when = f" ({year})" if year.isdigit() else ""
    kinds = f": {', '.join(genres)}" if genres else ""
    return f"{title}{when}{kinds}."


def before(
    key: NDArray[np.int64], time: NDArray[np.int64], values: NDArray[Any]
) -> NDArray[np.float64]:
    """For each row `(n,)` the sum of `values` `(n, m)` over rows of its `key` with an earlier
    `time`: rows of the same moment know nothing of each other."""
    order = np.lexsort((time, key))
    keys, times = key[order], time[order]
    total = np.zeros((len(key) + 1, values.shape[1]))
    np.cumsum(values[order], axis=0, out=total[1:])
    new_key = np.r_[True, keys[1:] != keys[:-1]]
    new_moment = new_key | np.r_[True, times[1:] != times[:-1]]
    places = np.arange(len(key))
    first_of_key = np.maximum.accumulate(np.where(new_key, places, 0))
    first_of_moment = np.maximum.accumulate(np.where(new_moment, places, 0))
    sums = np.empty((len(key), values.shape[1]))
    sums[order] = total[first_of_moment] - total[first_of_key]
    return sums


def share(part: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    """`part / of`, and NaN where `of` is 0."""
    result: NDArray[np.float64] = np.full(part.shape, np.nan)
    np.divide(part, of, out=result, where=of > 0)
    return result


def user_rows(data: Ratings) -> Rows:
    """What is known of the user at each rating: `COLUMNS`."""
    of_film = data.genres[data.film].astype(np.float64)
    seen = np.concatenate([np.ones((len(of_film), 1)), of_film], axis=1)
    counts = before(data.user, data.time, seen)
    likes = before(data.user, data.time, seen * data.liked[:, None])
    count, shares = counts[:, 0], share(likes, counts)
    inside = of_film.astype(np.bool_)
    known = inside & np.isfinite(shares[:, 1:])
    among = np.where(known, shares[:, 1:], 0.0).sum(axis=1)
    columns = [
        np.log10(1 + count),
        shares[:, 0],
        np.log10(1 + (counts[:, 1:] * inside).sum(axis=1)),
        share(among, known.sum(axis=1).astype(np.float64)),
    ]
    return np.concatenate(
        [np.stack(columns, axis=1), data.people[data.user]], axis=1, dtype=np.float32
    )


def film_rows(data: Ratings) -> Rows:
    """What is known of the film at each rating: the share of earlier ratings that were likes, and
    log(1 + how many there were)."""
    ones = np.ones(len(data.film))
    sums = before(data.film, data.time, np.stack([ones, data.liked], axis=1))
    count, likes = sums.T
    return np.stack([share(likes, count), np.log1p(count)], axis=1).astype(np.float32)


def joined(data: Ratings) -> list[Input]:
    """The film's sentence, and the user's row."""
    pairs = zip(data.film, user_rows(data), strict=True)
    return [Joined({"film": data.films[film], "user": row}) for film, row in pairs]


def popularity(data: Ratings) -> list[Input]:
    return list(film_rows(data))


def reader(made: Callable[[Ratings], list[Input]]) -> Callable[[Mapping[str, Path]], Splits]:
    """A function that reads the ratings and divides them by time."""

    def read(files: Mapping[str, Path]) -> Splits:
        data = read_ratings(files)
        pool, division = Split(made(data), data.liked), latest(data.time, TEST_SHARE)
        return Splits(
            train=pool.take(division.train),
            test=pool.take(division.test),
            class_names=CLASSES,
            notes={
                "users": len(np.unique(data.user)),
                "films": len(np.unique(data.film)),
                "test_users_without_training_ratings": len(
                    np.setdiff1d(data.user[division.test], data.user[division.train])
                ),
            },
        )

    return read


DIGESTS = {
    "inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
ASSET = Asset(
    name="movielens-100k",
    sources=tuple(
        Source(f"ml-100k.{what}", (f"{WHEEL}/ml-100k.{what}",), sha256)
        for what, sha256 in DIGESTS.items()
    ),
    license="MovieLens 100K: for research, with acknowledgement, not to be passed on; the wheel"
    " that carries it: MIT",
    bytes_download=2_130_151,
    homepage="https://grouplens.org/datasets/movielens/100k/",
)


def spec_of(
    name: str, modality: Modality, summary: str, parts: Mapping[str, Modality], units: float
) -> TaskSpec:
    """The description of one form."""
    return TaskSpec(
        name=name,
        version=1,
        modality=modality,
        summary=summary,
        assets=(ASSET,),
        train_size=79_999,
        test_size=20_001,
        classes=2,
        units=units,
        settings={"test_share": TEST_SHARE, "liked": LIKED},
        parts=parts,
    )


TASKS = (
    Dataset(
        spec_of(
            "movielens",
            Modality.SEVERAL,
            "Will a user like a film: its title and genres, and the user's history; by time",
            {"film": Modality.TEXT, "user": Modality.TABLE},
            14.0,
        ),
        reader(joined),
    ),
    Dataset(
        spec_of(
            "movielens-popularity",
            Modality.TABLE,
            "The ratings of movielens by how the film was rated before: a baseline",
            {},
            1.0,
        ),
        reader(popularity),
    ),
)
