"""The verdict on speed, from planted seconds: no process runs here."""

import numpy as np
import pytest

from bench.core.errors import UserError
from bench.gate.interleaved import Checkout, Run, decide, order, series, twice

SIMULATIONS = 400


def machine(noise, slowdown, rng):
    """Seconds of one run: log-normal noise of a pair's ratio with that standard deviation."""

    def measure(side):
        factor = 1 + slowdown if side is Checkout.HEAD else 1.0
        return 0.2 * factor * float(np.exp(rng.normal(0, noise / np.sqrt(2))))

    return measure


def simulate(noise, slowdown, count=SIMULATIONS):
    rng = np.random.default_rng([round(1e4 * noise), round(1e4 * (1 + slowdown))])
    return [decide(series(machine(noise, slowdown, rng), 15), 0.05) for _ in range(count)]


@pytest.mark.parametrize("noise", [0.005, 0.015, 0.025])
def test_ten_percent_is_caught_where_the_spread_is_below_half_the_margin(noise):
    told = [t for t in simulate(noise, 0.10) if t.spread <= 0.025]
    assert len(told) > 100
    assert np.mean([t.verdict == "regression" for t in told]) >= 0.95


@pytest.mark.parametrize("slowdown", [0.0, 0.10])
def test_a_restless_machine_is_undecided_whatever_the_ratio(slowdown):
    found = simulate(0.08, slowdown)
    assert all((t.verdict == "undecided") == (t.spread > 0.025) for t in found)
    assert np.mean([t.verdict == "undecided" for t in found]) > 0.99


@pytest.mark.parametrize("noise", [0.005, 0.015, 0.025, 0.05])
def test_no_slowdown_alarms_in_at_most_two_percent(noise):
    found = simulate(noise, 0.0)
    assert np.mean([t.verdict == "regression" for t in found]) <= 0.02


def test_at_the_margin_itself_the_alarms_are_those_of_the_interval():
    found = simulate(0.01, 0.05)
    assert np.mean([t.verdict == "regression" for t in found]) <= 0.07


def test_a_speed_up_is_reported():
    assert {t.verdict for t in simulate(0.005, -0.2, 20)} == {"better"}


def test_the_order_is_a_b_b_a():
    assert [side.value[0] for side in order(4)] == list("bhhbbhhb")


def test_the_spread_is_that_of_neighbours_of_the_same_code():
    """Drift is not spread between checkouts: only same-code neighbours count."""
    runs = [Run(side, 1.2 if side is Checkout.HEAD else 1.0) for side in order(15)]
    found = decide(runs, 0.05)
    assert found.spread == 0.0
    assert found.ratio == pytest.approx(1.2)
    assert (found.low, found.high) == pytest.approx((1.2, 1.2))


def test_the_same_runs_give_the_same_interval():
    runs = series(machine(0.02, 0.0, np.random.default_rng(1)), 15)
    assert decide(runs, 0.05) == decide(runs, 0.05)


def test_undecided_is_measured_once_more():
    rng, calls = np.random.default_rng(5), []

    def calms_down(side):
        calls.append(side)
        return machine(0.2 if len(calls) <= 30 else 0.005, 0.10, rng)(side)

    timing, repeated = twice(calms_down, 15, 0.05)
    assert repeated
    assert len(calls) == 60
    assert timing.verdict == "regression"
    timing, repeated = twice(machine(0.2, 0.0, rng), 15, 0.05)
    assert (timing.verdict, repeated) == ("undecided", True)
    assert twice(machine(0.005, 0.0, rng), 15, 0.05)[1] is False


def test_mistakes_are_named():
    measure = machine(0.01, 0.0, np.random.default_rng(0))
    with pytest.raises(UserError, match="at least 15 pairs, not 3"):
        twice(measure, 3, 0.05)
    with pytest.raises(UserError, match="above 0"):
        twice(measure, 15, 0.0)
    with pytest.raises(ValueError, match="pairs of base and head"):
        decide([Run(Checkout.BASE, 1.0), Run(Checkout.BASE, 1.0)], 0.05)
