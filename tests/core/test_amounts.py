"""Numbers of things, as people say them."""

import pytest

from bench.core.amounts import counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells"), (10_000, "10,000 cells")]
)
def test_one_is_no_plural(count, words):
    assert counted(count, "cell") == words
