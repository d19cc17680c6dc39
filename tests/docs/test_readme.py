"""Every number with an interval in the README is one of the published ones."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import chain

import pytest

from tests.docs.pages import ROOT

_NUMBER = r"([+-]?\d[\d,]*(?:\.\d+)?)"
_TRIPLE = re.compile(rf"{_NUMBER}(?: %)? \[{_NUMBER}, {_NUMBER}\]")
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUOTED = sorted(set(_TRIPLE.findall(README)))


def numbers(found: tuple[str, ...]) -> tuple[Decimal, ...]:
    return tuple(Decimal(text.replace(",", "")) for text in found)


def turned(value: Decimal, low: Decimal, high: Decimal) -> tuple[Decimal, ...]:
    """An error rate from the share that is right, in %."""
    return 100 - value, 100 - high, 100 - low


def rounds_to(published: tuple[Decimal, ...], quoted: tuple[str, ...]) -> bool:
    """Whether each of them is what is quoted, to the places that are quoted."""
    return all(
        abs(theirs - ours) <= Decimal(5).scaleb(ours.as_tuple().exponent - 1)
        for theirs, ours in zip(published, numbers(quoted), strict=True)
    )


def published() -> list[tuple[Decimal, ...]]:
    pages = (path.read_text(encoding="utf-8") for path in (ROOT / "results").rglob("*.md"))
    found = [numbers(one) for text in pages for one in _TRIPLE.findall(text)]
    return [*found, *(turned(*one) for one in found)]


@pytest.fixture(scope="module")
def known():
    return published()


def test_there_is_something_to_check():
    assert len(QUOTED) > 30
    assert rounds_to(numbers(("2.35", "2.30", "2.44")), ("2.4", "2.3", "2.4"))
    assert not rounds_to(numbers(("2.35", "2.30", "2.46")), ("2.4", "2.3", "2.4"))


@pytest.mark.parametrize("quoted", QUOTED, ids=" ".join)
def test_a_number_with_an_interval_is_published(known, quoted):
    assert any(rounds_to(one, quoted) for one in known), f"results/ has no {quoted}"


def test_counts_of_faults_are_those_of_the_table():
    last = (ROOT / "results/faults.md").read_text(encoding="utf-8").strip().splitlines()[-1]
    counts = re.findall(r"\d[\d,]*", last)
    said = re.search(r"`make faults` tries it: (.*?) \(", README)
    assert said is not None
    assert re.findall(r"\d[\d,]*", said[1]) == counts


def test_means_over_speakers_are_those_of_the_tables():
    """The second column of spoken digits, which is a mean of three tables."""
    text = (ROOT / "results/speech/leaderboard.md").read_text(encoding="utf-8")
    names = {
        "whisper-tiny-en": "whisper-tiny-en",
        "resemblyzer": "resemblyzer",
        "log-mel": "log-mel statistics",
    }
    for backbone, name in names.items():
        rows = chain.from_iterable(
            re.findall(rf"\| {backbone} +\| probe +\| +([\d.]+) \[", section)[:1]
            for section in text.split("\n## ")
            if section.startswith("fsdd-held-out-")
        )
        scores = [Decimal(row) for row in rows]
        assert len(scores) == 3
        shown = re.search(rf"\| {name}, probe \| [^|]+ \| ([\d.]+) \|", README)
        assert shown is not None
        assert abs(sum(scores) / 3 - Decimal(shown[1])) <= Decimal("0.05")
