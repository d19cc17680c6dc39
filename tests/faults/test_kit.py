"""The table of faults itself: it adds up, and a failed trial cannot hide."""

from __future__ import annotations

import pytest

from tests.faults.kit import Trials, table


def test_a_failed_trial_is_tried_and_not_survived():
    row = Trials(1, "x")
    with row.one():
        pass
    with pytest.raises(ZeroDivisionError), row.one():
        _ = 1 / 0
    assert (row.tried, row.survived) == (2, 1)


def test_the_table_adds_up_and_says_what_was_not_run():
    first, second = Trials(2, "a", 3, 3, 10, 1), Trials(2, "b", 1, 0, 2, 0)
    lines = table([first, second], {17: "needs a GPU"}).splitlines()
    assert lines[2:4] == [
        "| 2 | a; b | 4 | 3 | 12 | 1 |",
        "| 17 | needs a GPU | not run | | | |",
    ]
    assert lines[-1] == "3 of 4 survived, 1 of 12 acknowledged results lost"
