import dataclasses

import pytest

from bench.core.record import Failure
from bench.tables import leaderboard, render
from tests.tables.conftest import PROVENANCE

GPU = dataclasses.replace(PROVENANCE, device="cuda", device_name="A GPU")


def on_front(folder):
    table = leaderboard(folder)
    assert table.front.dtype == bool
    return set(table[table.front].method)


def test_less_memory_decides_among_those_not_shown_to_differ(make, folder):
    for draw, first in enumerate(make.draws(3, method="large", accuracy=0.9, items=1000)):
        same = make.store.predictions(first).predicted
        make.cell(draw=draw, method="small", predicted=same, bytes_peak=100_000_000, items=1000)
    make.draws(3, method="weak", accuracy=0.5, bytes_peak=240_000_000, items=1000)
    assert on_front(folder) == {"small"}


def test_a_smaller_backbone_stands_in_for_a_larger_one(make, folder):
    for draw, first in enumerate(make.draws(3, parameters=100_000_000, accuracy=0.9, items=1000)):
        same = make.store.predictions(first).predicted
        small = {"method": "none", "backbone": "none", "parameters": 0}
        make.cell(draw=draw, predicted=same, items=1000, **small)
    assert on_front(folder) == {"none"}
    found = leaderboard(folder).set_index("method").parameters
    assert found.to_dict() == {"probe": 100_000_000, "none": 0}


def test_cheap_and_not_shown_to_be_as_good_stands_in_for_nothing(make, folder):
    """Few items: 8 points behind is within the noise, which is no proof that it is as good."""
    make.draws(2, method="large", accuracy=0.8, items=60)
    make.draws(2, method="cheap", accuracy=0.72, items=60, bytes_peak=1_000_000)
    assert on_front(folder) == {"large", "cheap"}


def test_a_trade_off_is_two_on_the_front(make, folder):
    make.draws(3, method="large", accuracy=0.95)
    make.draws(3, method="small", accuracy=0.5, bytes_peak=100_000_000)
    assert on_front(folder) == {"large", "small"}


def test_a_little_less_memory_decides_nothing(make, folder):
    make.draws(3, accuracy=0.9)
    make.draws(3, method="knn", accuracy=0.9, bytes_peak=240_000_000)
    assert on_front(folder) == {"probe", "knn"}


@pytest.mark.parametrize(("rate", "wanted"), [(50.0, {"probe"}), (None, {"probe", "tfidf"})])
def test_a_rate_counts_where_it_was_measured(make, folder, rate, wanted):
    for draw, first in enumerate(make.draws(3, accuracy=0.9, rate=100.0, items=1000)):
        same = make.store.predictions(first).predicted
        make.cell(
            draw=draw, backbone="other", method="tfidf", predicted=same, rate=rate, items=1000
        )
    assert on_front(folder) == wanted


def test_costs_on_another_device_do_not_compare(make, folder):
    make.draws(3, accuracy=0.9)
    make.draws(3, method="knn", accuracy=0.9, bytes_peak=1, provenance=GPU)
    make.draws(3, method="weak", accuracy=0.5, bytes_peak=1, provenance=GPU)
    assert on_front(folder) == {"probe", "knn"}


def test_the_order_shown_first_stays_with_its_costs(make, folder):
    """Rows are sorted after the comparison: the marks must follow."""
    for place, method in enumerate("dbca"):
        make.draws(3, method=method, accuracy=0.5 + place / 8, bytes_peak=10**8 * (place + 1))
    assert on_front(folder) == set("abcd")
    make.draws(3, method="e", accuracy=0.5, bytes_peak=10**9)
    assert on_front(folder) == set("abcd")


def test_only_ranked_rows_have_a_mark(make, folder, board_of):
    make.draws(3, accuracy=0.5)
    make.draws(3, control="self", seed=1, accuracy=0.99)
    make.draws(2, method="lora", accuracy=0.99, bytes_peak=1)
    make.cell(method="lora", draw=2, failure=Failure(kind="killed", message=""))
    assert on_front(folder) == {"probe"}
    assert [row.front for row in board_of().rows] == [True, False, False]
    assert "Front: yes, unless a row on the front is shown" in render(board_of(), "md")
