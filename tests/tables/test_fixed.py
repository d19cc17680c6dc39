"""Numbers as a reader wants them."""

import pytest

from bench.tables import cells
from bench.tables.rows import Gap


@pytest.mark.parametrize(
    ("number", "digits", "words"),
    [
        (-0.04, 1, "0.0"),
        (0.04, 1, "0.0"),
        (0.0, 3, "0.000"),
        (-0.3, 0, "0"),
        (0.06, 1, "+0.1"),
        (-0.06, 1, "-0.1"),
        (1234.5, 1, "+1,234.5"),
    ],
)
def test_what_rounds_to_zero_has_no_sign(number, digits, words):
    assert cells.fixed(number, digits, "+") == words
    assert cells.fixed(number, digits) == words.removeprefix("+")


def test_a_difference_of_nearly_nothing_is_neither_more_nor_less():
    gap = Gap(difference=-0.0004, low=-0.012, high=0.0002)
    assert cells.behind(gap, "accuracy") == "0.0 [-1.2, 0.0]"
    assert cells.behind(gap, "kappa") == "0.000 [-0.012, 0.000]"
