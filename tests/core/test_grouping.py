"""Repeats of one configuration: draws and seeds, whatever order they come in."""

import numpy as np

from bench.core.grouping import over_seeds


def test_seeds_of_a_draw_are_averaged_and_draws_are_in_order():
    found = over_seeds({3: [np.array([1.0, 0.0])], 1: [np.array([0.0, 0.0]), np.array([1.0, 0.0])]})
    np.testing.assert_array_equal(found, [[0.5, 0.0], [1.0, 0.0]])
