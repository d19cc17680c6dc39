import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats import dominance, front, less

shapes = st.tuples(st.integers(1, 4), st.integers(1, 8))
costs = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.integers(0, 40).map(float)))
TOLERANCES = st.sampled_from([0.0, 0.05, 0.5, 2.0])


def of(x, tolerance):
    return dominance([less(one, tolerance) for one in x])


def in_a_circle(dominates):
    """Who dominates itself in steps."""
    reach = dominates.copy()
    for middle in range(len(reach)):
        reach |= reach[:, [middle]] & reach[[middle]]
    return reach.diagonal()


def test_a_case_by_hand():
    seconds, megabytes = [1.0, 10.0, 1.02, 2.0], [100.0, 100.0, 103.0, 50.0]
    dominates = of([seconds, megabytes], 0.05)
    assert np.argwhere(dominates).tolist() == [[0, 1], [2, 1], [3, 1]]
    assert front(dominates).tolist() == [True, False, True, True]


def test_within_the_tolerance_nothing_is_less():
    assert not less([100.0, 105.0]).any()
    assert less([100.0, 105.1])[0, 1]
    assert less([0.0, 0.1])[0, 1]


def test_what_was_not_measured_is_not_compared():
    assert not less([np.nan, 1.0]).any()
    assert front(of([[np.nan, 1.0], [5.0, 1.0]], 0.05)).tolist() == [False, True]


def test_noise_hides_a_difference_and_a_cost_decides():
    not_shown, shown = np.zeros((2, 2), bool), np.array([[False, True], [False, False]])
    cheaper = less([10.0, 1.0])  # the second
    assert front(dominance([not_shown, cheaper])).tolist() == [False, True]
    assert front(dominance([shown, cheaper])).tolist() == [True, True]


def test_a_hair_and_another_hair_are_more_than_a_hair():
    """0 is cheaper than 1, and 1 than 2, all of a tolerance; but 2 is shown better than 0."""
    better = np.zeros((3, 3), bool)
    better[2, 0] = True
    dominates = dominance([better, less([1.0, 1.1, 1.2])])
    assert np.argwhere(dominates).tolist() == [[0, 1], [1, 2]]
    assert front(dominates).tolist() == [True, False, True]  # no substitute for 2 is there


def test_a_circle_stays_unless_the_front_breaks_it():
    a, b, c = [0.0, 1.5, 0.75], [0.75, 0.0, 1.5], [1.5, 0.75, 0.0]
    better = [np.subtract.outer(x, x).T > 1 for x in (a, b, c)]
    dominates = dominance(better)
    assert in_a_circle(dominates).all()
    assert front(dominates).all()
    wider = np.zeros((5, 5), bool)
    wider[:3, :3] = dominates
    wider[2, 3] = True  # who is below a circle is off
    assert front(wider).tolist() == [True, True, True, False, True]
    wider[4, 0] = True  # the fifth breaks it: 0 is off; 1, which 0 alone dominated, is on,
    assert front(wider).tolist() == [False, True, False, True, True]  # so 2 is off, and 3 is on


@given(costs, TOLERANCES)
def test_dominance_is_strict(x, tolerance):
    dominates = of(x, tolerance)
    assert not dominates.diagonal().any()
    assert not (dominates & dominates.T).any()


@given(costs, TOLERANCES)
def test_the_front_is_there_and_stable(x, tolerance):
    dominates = of(x, tolerance)
    on = front(dominates)
    assert on.any()
    assert dominates[on].any(axis=0)[~on].all()  # who is off is dominated by one on it
    if not in_a_circle(dominates).any():
        assert not dominates[np.ix_(on, on)].any()
    undominated = ~dominates.any(axis=0)
    assert on[undominated].all()


@given(costs)
def test_without_noise_it_is_the_pareto_front(x):
    wanted = [
        not any((x[:, j] <= x[:, i]).all() and (x[:, j] < x[:, i]).any() for j in range(x.shape[1]))
        for i in range(x.shape[1])
    ]
    assert front(of(x, 0.0)).tolist() == wanted


@given(costs, TOLERANCES, st.randoms(use_true_random=False))
def test_the_order_of_entrants_changes_nothing(x, tolerance, random):
    order = random.sample(range(x.shape[1]), x.shape[1])
    assert front(of(x[:, order], tolerance)).tolist() == front(of(x, tolerance))[order].tolist()


@given(costs, TOLERANCES, st.data())
def test_one_more_that_is_dominated_changes_nothing(x, tolerance, data):
    """By one on the front, and in no circle: a circle's members are in doubt together."""
    new = data.draw(arrays(np.float64, (len(x), 1), elements=st.integers(0, 40).map(float)))
    before, dominates = front(of(x, tolerance)), of(np.hstack([x, new]), tolerance)
    if dominates[:-1, -1][before].any() and not in_a_circle(dominates)[-1]:
        assert front(dominates).tolist() == [*before.tolist(), False]


@given(st.integers(1, 9).flatmap(lambda n: arrays(np.bool_, (n, n))))
def test_any_strict_relation_has_a_front(given_):
    dominates = given_ & ~given_.T
    on = front(dominates)
    assert on.any()
    assert dominates[on].any(axis=0)[~on].all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: less([-1.0]), "not negative"),
        (lambda: less([1.0], -0.1), "not negative"),
        (lambda: dominance([]), "a dimension"),
        (lambda: dominance([np.zeros((2, 2)), np.zeros((3, 3))]), "must be"),
        (lambda: dominance([np.ones((2, 2))]), "each is better"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
