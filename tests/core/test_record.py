"""What a record keeps, and what of it is charged."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.inert import LONGEST
from bench.core.record import NAMES, DataReport, Extraction, names_kept
from bench.store.codec import decode, encode
from tests.store_kit import record


@given(st.lists(st.text(max_size=200), max_size=20))
def test_names_are_inert_and_a_record_can_hold_them(names):
    kept = names_kept(names)
    assert len(kept) == len(names)
    assert all(len(name) <= LONGEST for name in kept)
    assert not {c for name in kept for c in name if unicodedata.category(c)[0] == "C"}
    data = DataReport(
        fingerprint="x", classes=len(names), labels=1, labels_extra=0, test=1, tuning="none",
        duplicates_train_test=0, class_names=kept,
    )  # fmt: skip
    made = record(data=data)
    assert decode(encode(made), "x") == made


def test_too_many_names_are_none():
    assert names_kept(["n" * 32] * (NAMES // 32)) != ()
    assert names_kept(["n" * 32] * (NAMES // 32 + 1)) == ()
    assert names_kept(["n" * 10_000] * 77) != ()  # cut first


@pytest.mark.parametrize(
    ("phases", "extraction", "charged"),
    [
        ({"load": 0.5, "extract": 14.0, "fit": 2.0}, (1.5, 1.5), 4.0),  # the first of a backbone
        ({"load": 0.5, "extract": 2.0, "fit": 2.0}, (1.5, 4.0), 6.5),  # some had been cached
        ({"load": 0.5, "extract": 0.1, "fit": 2.0}, (0.0, 4.0), 6.5),  # all had been
        ({"load": 0.5, "fit": 5.0}, (1.5, 4.0), 8.0),  # extracted in a fit, part of it then
        ({"load": 0.5, "fit": 5.0}, None, 5.5),
    ],
)
def test_whoever_comes_first_is_not_charged_for_the_start_of_a_backbone(
    phases, extraction, charged
):
    found = extraction and Extraction(
        items=10,
        items_computed=5,
        seconds=extraction[0],
        seconds_charged=extraction[1],
        items_per_second=None,
        units_per_second=None,
        padding_share=None,
        truncated_share=None,
        batches=1,
    )
    made = record(phases=phases, extraction=found, members_seconds=0.0)
    assert made.seconds_charged == pytest.approx(charged)
    assert made.seconds == pytest.approx(sum(phases.values()))
