"""Names of classes as a record keeps them."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from bench.core.inert import LONGEST
from bench.core.record import NAMES, DataReport, names_kept
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
