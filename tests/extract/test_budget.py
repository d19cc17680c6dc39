"""Budgets: the smallest of the fastest, there and back, remembered."""

import pytest

from bench.extract import Budgets, sweep
from bench.extract.budget import STEPS, Sweep, chosen


def test_the_smallest_of_the_fastest_is_taken():
    assert chosen([10, 20, 40], [1.5, 1.01, 1.0]) == 20
    assert chosen([10, 20, 40], [1.0, 1.0, 1.0]) == 10
    assert chosen([10, 20, 40], [3.0, 2.0, 1.0]) == 40


def test_a_machine_that_gets_slower_all_the_time_favours_none():
    calls = []

    def run(budget):
        calls.append(budget)
        return 1.0 + 0.001 * len(calls)

    found = sweep(run, 100)
    assert found.budget == 50
    assert found.tried == tuple(round(100 * step) for step in STEPS)
    assert calls[:4] == calls[7:3:-1]
    assert max(found.seconds) - min(found.seconds) < 0.005


def test_sweeps_are_remembered(tmp_path):
    budgets = Budgets(tmp_path / "deep" / "budgets.json")
    assert budgets.find("a") is None
    one = Sweep(budget=20, tried=(10, 20), seconds=(2.0, 1.0))
    budgets.keep("a", one)
    budgets.keep("b", Sweep(budget=7, tried=(7,), seconds=(1.0,)))
    again = Budgets(tmp_path / "deep" / "budgets.json")
    assert (again.find("a"), again.find("b")) == (20, 7)
    assert again.all()["a"] == one


@pytest.mark.parametrize("text", ["", "[]", '{"a": 3}', '{"a": {"budget": "x"}}'])
def test_a_damaged_file_is_forgotten(tmp_path, text):
    path = tmp_path / "budgets.json"
    path.write_text(text)
    assert Budgets(path).all() == {}
