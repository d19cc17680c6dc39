"""Fuzzing: whatever the bytes, only the documented errors come out."""

from __future__ import annotations

import contextlib
import io
import random
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bench.assets import archive
from bench.core.errors import BenchError, UserError
from bench.core.suite import Suite
from bench.runner.plan import validated
from bench.store.codec import decode, encode
from bench.store.predictions import from_bytes
from bench.suite_file import parse, read
from tests.faults.kit import FULL
from tests.store_kit import predictions, record

MINUTES_EACH = 2.5 if FULL else 0.0
"""In the full form; in the quick one a single round of each."""

SUITES = sorted((Path(__file__).parents[2] / "suites").glob("*.toml"))
WORDS = st.sampled_from(
    ["suite", "task", "method", "backbone", "name", "draws", "train", "per_class", "budget"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["digits", "knn", "raw-pixels", "full", "../x", "hub:models/a/b"])
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=30,
)


def fuzz(trials, strategy, attempt) -> None:
    """Rounds of examples, each with another seed, until the time is used; each is a trial."""
    until, number = time.monotonic() + 60 * MINUTES_EACH, 0
    while number == 0 or time.monotonic() < until:

        @seed(number)
        @settings(
            max_examples=150 if MINUTES_EACH == 0 else 2000,
            database=None,
            deadline=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(strategy)
        def one(value):
            with trials.one(), contextlib.suppress(BenchError):
                attempt(value)

        one()
        number += 1


def mutated(data: bytes, places: list[tuple[int, int]], cut: int | None) -> bytes:
    turned = bytearray(data)
    for at, value in places:
        if turned:
            turned[at % len(turned)] = value
    return bytes(turned[:cut] if cut is not None else turned)


PLACES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12)
CUTS = st.none() | st.integers(0, 4000)


@pytest.mark.fault(42, "fuzzing: suite files")
def test_suites_of_any_shape(trials):
    def attempt(raw):
        tables = raw if isinstance(raw, dict) else {"suite": raw}
        assert isinstance(validated(parse(tables, Path("x.toml"))), Suite)

    fuzz(trials, TREES, attempt)


@pytest.mark.fault(42, "fuzzing: bytes of suite files")
def test_suite_files_of_any_bytes(trials, tmp_path):
    path = tmp_path / "x.toml"

    def attempt(given):
        which, places, cut = given
        path.write_bytes(mutated(SUITES[which % len(SUITES)].read_bytes(), places, cut))
        validated(read(path))

    fuzz(trials, st.tuples(st.integers(0, 100), PLACES, CUTS), attempt)


@pytest.mark.fault(42, "fuzzing: record and prediction files")
def test_records_of_any_bytes(trials):
    whole, rows = encode(record()), predictions()

    def attempt(given):
        places, cut = given
        data = mutated(whole, places, cut)
        try:
            assert decode(data, "x") == record() or data != whole
        except BenchError:
            assert data != whole
        from_bytes(mutated(rows, places, cut), "x")

    fuzz(trials, st.tuples(PLACES, CUTS), attempt)


@pytest.mark.fault(42, "fuzzing: archives")
def test_archives_of_any_bytes(trials, tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("m/a.txt", b"text " * 50)
        opened.writestr("m/b.bin", random.Random(0).randbytes(200))
    whole, path, numbers = made.getvalue(), tmp_path / "a.zip", iter(range(10**9))

    def attempt(given):
        path.write_bytes(mutated(whole, *given))
        out = tmp_path / f"out-{next(numbers)}"
        archive.extract(path, "", out)
        assert {p for p in tmp_path.rglob("*") if p.is_file() and p != path} >= set()

    before = set(tmp_path.parent.iterdir())
    fuzz(trials, st.tuples(PLACES, CUTS), attempt)
    assert set(tmp_path.parent.iterdir()) == before


def test_what_a_user_can_cause_is_a_user_error():
    with pytest.raises(UserError):
        read(Path("/nonexistent/x.toml"))
