"""What is known of the registered data, read independently of their loaders."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import pairwise

import numpy as np

from bench.assets import resolve
from bench.core.task import RareRule
from bench.tasks import duplicates_across, registry

from .loaded import splits_of


def counts(name: str, which: str) -> dict[str, int]:
    splits = splits_of(name)
    found = np.bincount(getattr(splits, which).targets, minlength=len(splits.class_names))
    return dict(zip(splits.class_names, found.tolist(), strict=True))


def test_reuters_r8() -> None:
    splits = splits_of("reuters-r8")
    assert (len(splits.train), len(splits.test)) == (5_485, 2_189)
    train, test = counts("reuters-r8", "train"), counts("reuters-r8", "test")
    assert list(train) == ["acq", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade"]
    assert (train["earn"], train["grain"], test["grain"]) == (2_840, 41, 10)
    assert duplicates_across(splits) == 4
    assert splits.train.inputs[0].startswith("champion products ch approves stock split")


def test_reuters_r52_keeps_its_rare_classes() -> None:
    splits = splits_of("reuters-r52")
    assert (len(splits.train), len(splits.test)) == (6_532, 2_568)
    train = counts("reuters-r52", "train")
    assert len(train) == 52
    assert min(train.values()) == 1
    assert registry()["reuters-r52"].spec.rare is RareRule.TRAIN_ONLY


def test_newsgroups() -> None:
    splits = splits_of("20newsgroups")
    assert (len(splits.train), len(splits.test)) == (11_293, 7_528)
    assert len(splits.class_names) == 20
    assert duplicates_across(splits) == 7


def test_rotten_tomatoes_is_divided_by_film() -> None:
    splits = splits_of("rotten-tomatoes")
    assert splits.class_names == ("fresh", "rotten")
    notes = dict(splits.notes)
    assert notes == {
        "films": 506,
        "dropped_plots": 1_097,
        "dropped_under_several_films": 75,
        "dropped_repeats": 18,
    }
    total = len(splits.train) + len(splits.test)
    assert total == 7_403 + 5_405 - 75 - 18
    assert 0.24 < len(splits.test) / total < 0.26
    assert splits.train.groups is not None
    assert splits.test.groups is not None
    films = len(np.unique(splits.train.groups)) + len(np.unique(splits.test.groups))
    assert films == 506
    assert max(np.bincount(splits.train.groups)) <= 35
    assert len(set(splits.train.inputs) | set(splits.test.inputs)) == total
    assert duplicates_across(splits) == 0


def test_mnist_5k_is_stratified_and_shuffled() -> None:
    splits = splits_of("mnist-5k")
    assert set(counts("mnist-5k", "train").values()) == {400}
    assert set(counts("mnist-5k", "test").values()) == {100}
    assert len(np.unique(splits.test.targets[:50])) > 5
    assert {item.shape for item in splits.train.inputs} == {(28, 28)}


def test_digits_agree_with_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    theirs = sorted(
        (int(target), np.rint(image * 255 / 16).astype(np.uint8).tobytes())
        for image, target in zip(bundle.images, bundle.target, strict=True)
    )
    splits = splits_of("digits")
    ours = sorted(
        (int(target), image.tobytes())
        for split in (splits.train, splits.test)
        for image, target in zip(split.inputs, split.targets, strict=True)
    )
    assert ours == theirs


def test_banking77_keeps_the_order_of_its_files() -> None:
    splits = splits_of("banking77")
    assert (len(splits.train), len(splits.test)) == (10_003, 3_080)
    assert splits.class_names == tuple(sorted(splits.class_names))
    assert splits.class_names[splits.train.targets[0]] == "card_arrival"
    assert splits.train.inputs[:2] == [
        "I am still waiting on my card?",
        "What can I do if my card still hasn't arrived after 2 weeks?",
    ]
    assert set(counts("banking77", "test").values()) == {40}


def test_trec_names_fit_its_questions() -> None:
    splits = splits_of("trec")
    assert counts("trec", "train") == {
        "description": 1_162,
        "entity": 1_250,
        "abbreviation": 86,
        "human": 1_223,
        "location": 835,
        "number": 896,
    }
    assert len(splits.test) == 500
    named = dict(zip(splits.test.inputs, splits.test.targets, strict=True))
    assert splits.class_names[named["How far is it from Denver to Aspen ?"]] == "number"
    assert splits.class_names[named["Who was Galileo ?"]] == "human"
    assert any("sisterðcity" in item for item in splits.train.inputs)  # read as latin-1


def test_fashion_mnist() -> None:
    splits = splits_of("fashion-mnist")
    assert (len(splits.train), len(splits.test)) == (60_000, 10_000)
    assert set(counts("fashion-mnist", "train").values()) == {6_000}
    assert splits.class_names[splits.train.targets[0]] == "Ankle boot"
    # pixel statistics that the authors' repository and its users give: mean .2860, sd .3530
    sample = np.stack(splits.train.inputs[:20_000]) / 255
    assert abs(sample.mean() - 0.286) < 0.003
    assert abs(sample.std() - 0.353) < 0.003


def test_fsdd_is_what_its_file_names_say() -> None:
    splits = splits_of("fsdd")
    assert set(counts("fsdd", "test").values()) == {30}
    assert set(counts("fsdd-speaker", "train").values()) == {450}
    assert {item.rate for item in splits.train.inputs} == {8_000}
    assert max(item.seconds for item in splits.train.inputs) < 2.3
    held = [splits_of(f"fsdd-held-out-{letter}") for letter in "abc"]
    assert all(len(np.unique(each.test.groups)) == 2 for each in held)
    tested = np.concatenate([each.test.groups for each in held])
    assert sorted(np.bincount(tested)) == [500] * 6  # every clip is tested on once
    shift = splits_of("fsdd-speaker-shift")
    assert duplicates_across(shift) == 0


def test_breast_cancer_agrees_with_scikit_learn() -> None:
    from sklearn.datasets import load_breast_cancer

    bundle = load_breast_cancer()
    assert Counter(bundle.target.tolist()) == {0: 212, 1: 357}
    theirs = sorted(
        (int(target), row.tobytes())
        for row, target in zip(bundle.data.astype(np.float32), bundle.target, strict=True)
    )
    table, text = splits_of("breast-cancer"), splits_of("breast-cancer-text")
    assert table.class_names == tuple(bundle.target_names)
    ours = sorted(
        (int(target), row.tobytes())
        for split in (table.train, table.test)
        for row, target in zip(split.inputs, split.targets, strict=True)
    )
    assert ours == theirs
    np.testing.assert_array_equal(table.test.targets, text.test.targets)
    for row, words in zip(table.test.inputs, text.test.inputs, strict=True):
        names, values = zip(*(pair.split(": ") for pair in words.split("; ")), strict=True)
        assert names == tuple(bundle.feature_names)
        np.testing.assert_array_equal(np.array(values, dtype=np.float32), row)


def test_german_credit() -> None:
    table, text = splits_of("german-credit"), splits_of("german-credit-text")
    sizes = [counts("german-credit", which) for which in ("train", "test")]
    assert sizes == [{"bad": 225, "good": 525}, {"bad": 75, "good": 175}]
    np.testing.assert_array_equal(table.train.targets, text.train.targets)
    rows, words = np.stack(table.train.inputs), text.train.inputs
    # UCI's own page: 7 numerical and 13 categorical attributes; one of these is scrambled here
    assert len(words[0].split("; ")) == 19
    whole = [column for column in rows.T if column.max() > 1]
    assert len(whole) == 7
    assert rows[:, [c for c in range(rows.shape[1]) if rows[:, c].max() <= 1]].sum() == 12 * 750
    assert "personal status" not in words[0]


def test_the_column_left_out_of_german_credit_is_scrambled() -> None:
    """Rows of one value stand together, in a file whose other columns are in no order."""
    (path,) = resolve(registry()["german-credit"].spec.assets[0]).values()
    with path.open(encoding="utf-8", newline="") as lines:
        found = list(csv.DictReader(lines))
    changes = {
        name: sum(one[name] != other[name] for one, other in pairwise(found)) for name in found[0]
    }
    assert changes.pop("personal_status_and_sex") == 3
    assert min(changes.values()) > 70


def ratings() -> list[tuple[int, int, int, int]]:
    """User, film, rating and time, in order of time, read by hand."""
    path = resolve(registry()["movielens"].spec.assets[0])["ml-100k.inter"]
    lines = path.read_text(encoding="ascii").splitlines()[1:]
    rows = [tuple(int(float(value)) for value in line.split("\t")) for line in lines]
    return sorted(rows, key=lambda row: row[3])  # as stable as the loader's


def test_movielens_is_divided_by_time() -> None:
    splits, rows = splits_of("movielens"), ratings()
    assert len(rows) == len(splits.train) + len(splits.test) == 100_000
    assert splits.notes["users"] == len({row[0] for row in rows}) == 943
    assert splits.notes["films"] == len({row[1] for row in rows}) == 1_682
    at = len(splits.train)
    assert rows[at - 1][3] < rows[at][3]
    liked = np.array([row[2] >= 4 for row in rows])
    np.testing.assert_array_equal(splits.train.targets, liked[:at])
    np.testing.assert_array_equal(splits.test.targets, liked[at:])
    assert liked.sum() == 55_375
    known = {row[0] for row in rows[:at]}
    new = {row[0] for row in rows[at:]} - known
    assert splits.notes["test_users_without_training_ratings"] == len(new)


def test_movielens_rows_know_the_past_alone() -> None:
    """By brute force, over ratings strictly before each one's moment."""
    files = resolve(registry()["movielens"].spec.assets[0])
    lines = files["ml-100k.item"].read_text(encoding="utf-8").splitlines()[1:]
    films = {int(each[0]): each for each in (line.split("\t") for line in lines)}
    kinds = {film: each[3].split() for film, each in films.items()}
    rows, splits = ratings(), splits_of("movielens")
    popular = splits_of("movielens-popularity")
    inputs = [*splits.train.inputs, *splits.test.inputs]
    columns = [*popular.train.inputs, *popular.test.inputs]
    chosen = np.random.default_rng(0).choice(len(rows), 60, replace=False)
    for i in (0, 1, *chosen):
        user, film, _, time = rows[i]
        before = [row for row in rows if row[3] < time]
        own = [row for row in before if row[0] == user]
        of_film = [row for row in before if row[1] == film]
        by_genre = [[row for row in own if kind in kinds[row[1]]] for kind in kinds[film]]
        shares = [share_liked(of_genre) for of_genre in by_genre if of_genre]
        expected = [
            np.log10(1 + len(own)),
            share_liked(own),
            np.log10(1 + sum(map(len, by_genre))),
            np.mean(shares) if shares else np.nan,
        ]
        np.testing.assert_allclose(inputs[i].parts["user"][:4], expected, rtol=1e-5)
        assert inputs[i].parts["film"].startswith(films[film][1])
        popularity = [share_liked(of_film), np.log(1 + len(of_film))]
        np.testing.assert_allclose(columns[i], popularity, rtol=1e-5)


def share_liked(rows: list[tuple[int, int, int, int]]) -> float:
    return float(np.mean([row[2] >= 4 for row in rows])) if rows else np.nan
