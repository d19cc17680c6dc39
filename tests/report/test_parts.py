"""What figures and details are made of."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.core.record import DataReport
from bench.report.axes import linear, logarithmic
from bench.report.details import details, names_of
from bench.report.looks import looks
from bench.stats import calibration
from bench.store import Items, Store
from tests.report.conftest import ROOT
from tests.store_kit import record

numbers = st.lists(st.floats(-1e6, 1e6, allow_nan=False), max_size=20)
positive = st.lists(st.floats(1e-6, 1e9), max_size=20)


@given(numbers, st.booleans())
def test_a_linear_axis_holds_its_values(values, zero):
    axis = linear(values, 10, 200, zero=zero)
    check(axis, [*values, *([0.0] if zero else [])])


@given(positive)
def test_a_logarithmic_axis_holds_its_values(values):
    check(logarithmic(values, 200, 10), values)


def check(axis, values):
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values)
    low, high = sorted((axis.start, axis.end))
    at = [axis.at(value) for value in sorted(values)]
    assert all(low <= place <= high for place in at)
    assert at == sorted(at, reverse=axis.start > axis.end)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 6
    assert len({tick.text for tick in ticks}) == len(ticks)
    assert all(low <= tick.at <= high for tick in ticks)


def test_ticks_are_round():
    assert [t.text for t in linear([0, 100], 0, 1).ticks()] == ["0", "20", "40", "60", "80", "100"]
    assert [t.text for t in logarithmic([1, 900], 0, 1).ticks()] == ["1", "10", "100", "1,000"]


def test_56_entrants_look_different():
    found = looks((f"b{i}", "m") for i in range(56))
    assert len({(look.colour, look.shape) for look in found.values()}) == 56


def test_details_count_what_the_metrics_count():
    store = Store(ROOT / "results" / "default")
    records = [r for r in store.final() if r.task == "mnist-5k" and r.method == "probe"][:3]
    found = details(store.predictions(record) for record in records)
    assert found.items == sum(count for _, _, count in found.confusion) == 3000
    right = sum(count for true, predicted, count in found.confusion if true == predicted)
    accuracy = np.mean([record.metrics["accuracy"] for record in records])
    assert math.isclose(right / found.items, accuracy)
    assert sum(n for n, _, _ in found.bins) == found.items
    assert sum(hits for _, _, hits in found.bins) == right


def test_bins_are_those_of_the_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 500)
    true = rng.integers(0, 4, 500)
    best = p.argmax(axis=1)
    items = Items(true, best, p[np.arange(500), true], p.max(axis=1), 4)
    found = details([items])
    error = sum(abs(said - right) for _, said, right in found.bins) / 500
    assert math.isclose(error, calibration(p, true).ece)


def test_what_is_no_probability_is_in_no_bin():
    p = np.array([0.5, np.nan, -1.0, 2.0, 1.0], dtype=np.float32)
    true = np.array([0, 1, 1, 0, 65535])
    found = details([Items(true, true, p, p, 65536)])
    assert sum(n for n, _, _ in found.bins) == 2
    assert (65535, 65535, 1) in found.confusion
    assert details([]) is None


def test_names_are_those_that_all_records_of_a_row_agree_on():
    def named(*names):
        return with_data(class_names=names)

    assert names_of([named("a", "b"), named(), named("a", "b"), record()]) == ("a", "b")
    assert names_of([named("a", "b"), named("b", "a")]) == ()
    assert names_of([named(), record()]) == ()


def test_names_that_are_not_one_a_class_are_left_out():
    true, p = np.array([0, 1, 2]), np.full(3, 0.5, dtype=np.float32)
    items = Items(true, true, p, p, 3)
    assert details([items], ("a", "b", "c")).names == ("a", "b", "c")
    assert details([items], ("a", "b")).names == details([items]).names == ()


def with_data(**changes):
    data = DataReport(
        fingerprint="x", classes=2, labels=1, labels_extra=0, test=1, tuning="none",
        duplicates_train_test=0, **changes,
    )  # fmt: skip
    return record(data=data)
