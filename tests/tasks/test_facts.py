"""What is known of the registered data, read independently of their loaders."""

from __future__ import annotations

import numpy as np

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
