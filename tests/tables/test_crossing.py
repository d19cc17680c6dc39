"""Where two curves cross, and the sentence about it."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tables.crossing import Point, about, crossings, verdict


def points(*found):
    """From `(labels, difference, shown)`."""
    return [
        Point(labels=labels, words=f"{labels:g}", difference=difference, shown=shown)
        for labels, difference, shown in found
    ]


differences = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=1, max_size=7)


@given(differences)
def test_crossings_lie_between_sizes_of_opposite_sign(values):
    at = points(*((2.0 ** (i + 1), value, False) for i, value in enumerate(values)))
    found = crossings(at)
    signs = [value > 0 for value in values if value]
    assert len(found) == sum(a != b for a, b in itertools.pairwise(signs))
    for one in found:
        low, high = float(one.after), float(one.before)
        assert low * (1 - 1e-9) <= one.labels <= high * (1 + 1e-9)
    assert [one.labels for one in found] == sorted(one.labels for one in found)


@given(differences, st.floats(0.1, 10))
def test_a_curve_of_other_scale_crosses_at_the_same_place(values, scale):
    def at(factor):
        return points(*((2.0**i, factor * value, False) for i, value in enumerate(values)))

    one, other = crossings(at(1)), crossings(at(scale))
    assert [a.labels for a in one] == pytest.approx([b.labels for b in other])


@given(differences, st.lists(st.booleans(), min_size=7, max_size=7))
def test_exchanging_the_two_exchanges_the_sentence(values, shown):
    # what has no difference is never shown
    marked = [(v, s and v != 0) for v, s in zip(values, shown, strict=False)]
    there = points(*((2.0**i, v, s) for i, (v, s) in enumerate(marked)))
    back = points(*((2.0**i, -v, s) for i, (v, s) in enumerate(marked)))
    one, other = verdict("ab", "cd", there), verdict("cd", "ab", back)
    assert sorted(one.replace(",", "").replace(";", "").split()) == sorted(
        other.replace(",", "").replace(";", "").split()
    )


def test_the_crossing_is_interpolated_on_log_labels():
    (found,) = crossings(points((16, -0.01, True), (64, 0.01, True)))
    assert found.labels == pytest.approx(32)  # half of the way from 16 to 64 in logs
    (found,) = crossings(points((16, -0.03, True), (64, 0.01, True)))
    assert found.labels == pytest.approx(math.exp(math.log(16) + 0.75 * math.log(4)))
    assert found.rises


def test_a_difference_of_nothing_is_the_crossing():
    (found,) = crossings(points((4, -0.1, True), (8, 0.0, False), (16, 0.1, True)))
    assert found.labels == pytest.approx(8)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            [(16, -0.02, True), (64, 0.02, True)],
            (
                "lora is better from about 32 labels a class on (between 16 and 64), and probe"
                " below; shown on both sides: at 16, and at 64"
            ),
        ),
        (
            [(16, -0.02, False), (64, 0.02, True)],
            (
                "lora is better from about 32 labels a class on (between 16 and 64; shown at"
                " 64); below, no difference is shown"
            ),
        ),
        (
            [(16, -0.02, True), (64, 0.02, False)],
            (
                "probe is better below about 32 labels a class (between 16 and 64; shown at"
                " 16); above, no difference is shown"
            ),
        ),
        ([(4, 0.1, True), (8, 0.2, True)], "lora is better at every size from 4 to 8"),
        ([(4, -0.1, True), (8, -0.2, True)], "probe is better at every size from 4 to 8"),
        (
            [(4, 0.1, False), (8, 0.2, True), (16, 0.3, True)],
            "lora is better at 8 and 16; no difference is shown at 4",
        ),
        ([(4, 0.1, True)], "lora is better at 4"),
        ([(4, 0.1, False)], "no difference between probe and lora is shown at any size"),
        (
            [(4, -0.1, False), (16, 0.1, False)],
            (
                "no difference between probe and lora is shown at any size (the estimate changes"
                " its sign at about 8 labels a class)"
            ),
        ),
        (
            [(4, -0.1, True), (16, 0.1, True), (64, -0.1, True)],
            (
                "probe is shown to be better at 4 and 64; lora is shown to be better at 16; the"
                " order changes 2 times at about 8 and 32 labels a class"
            ),
        ),
        ([], "no size has results of both probe and lora"),
        (
            [(4, 0.0, False), (8, 0.0, False)],
            "no difference between probe and lora is shown at any size",
        ),
    ],
)
def test_the_sentence_says_what_is_shown(found, sentence):
    assert verdict("probe", "lora", points(*found)) == sentence


def test_about_is_as_coarse_as_labels_are():
    assert [about(x) for x in (1.0, 5.657, 24.3, 1234.5)] == ["1", "5.7", "24", "1,234"]
