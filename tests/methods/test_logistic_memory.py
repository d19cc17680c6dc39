"""The memory of L-BFGS against the two-loop recursion of the books (Nocedal & Wright, 7.4)."""

import numpy as np
import pytest
import torch

from bench.methods._logistic_memory import PAIRS, Memory

UNKNOWNS = 12


def two_loops(pairs, gradient):
    """The direction from `pairs` of s and y, oldest first."""
    q, shares = gradient.copy(), []
    for s, y in reversed(pairs):
        shares.append(s @ q / (s @ y))
        q -= shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ y)
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q += (share - y @ q / (s @ y)) * s
    return -q


class Walk:
    """Problems that step at random down quadratic valleys, and a memory that is told of it."""

    def __init__(self, problems, seed=0):
        self.draw = np.random.default_rng(seed)
        roots = self.draw.normal(size=(problems, UNKNOWNS, UNKNOWNS))
        self.curvature = roots @ roots.transpose(0, 2, 1) + np.eye(UNKNOWNS)
        self.memory = Memory.empty(problems, UNKNOWNS, torch.float64, "cpu")
        self.pairs = [[] for _ in range(problems)]
        self.gradient = self.draw.normal(size=(problems, UNKNOWNS))
        self.memory.look(torch.from_numpy(self.gradient))

    def step(self, flat=()):
        """One step; those in `flat` see no change of the gradient."""
        before, step = self.gradient, self.draw.normal(size=self.gradient.shape)
        change = np.einsum("pij,pj->pi", self.curvature, step)
        change[list(flat)] = 0.0
        self.gradient = before + change
        self.memory.add(*map(torch.from_numpy, (step, self.gradient, before)))
        self.memory.look(torch.from_numpy(self.gradient))
        for problem, kept in enumerate(self.pairs):
            kept.append(None if problem in flat else (step[problem], change[problem]))
            del kept[:-PAIRS]

    def forget(self, *problems):
        where = np.isin(np.arange(len(self.pairs)), problems)
        self.memory.forget(where)
        for problem in problems:
            self.pairs[problem] = []

    def check(self):
        found, slope = self.memory.direction(torch.from_numpy(self.gradient))
        for kept, gradient, direction, down in zip(
            self.pairs, self.gradient, found.numpy(), slope, strict=True
        ):
            wanted = two_loops([pair for pair in kept if pair is not None], gradient)
            if any(pair is not None for pair in kept):
                np.testing.assert_allclose(direction, wanted, rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(down, direction @ gradient, rtol=1e-7)
            assert down < 0


def test_every_step_has_the_direction_of_two_loops_long_past_the_first_turn():
    walk = Walk(4)
    walk.check()
    for _ in range(3 * PAIRS + 2):
        walk.step()
        walk.check()


@pytest.mark.parametrize("at", [1, 4, PAIRS, PAIRS + 3])
def test_a_pair_that_says_nothing_is_as_none(at):
    walk = Walk(3)
    for number in range(2 * PAIRS + at):
        walk.step(flat=[1] if number in {at, at + 2} else ())
        walk.check()


@pytest.mark.parametrize("at", [2, PAIRS + 4])
def test_what_was_forgotten_does_not_come_back(at):
    walk = Walk(3)
    for number in range(3 * PAIRS):
        if number == at:
            walk.forget(0, 2)
            assert not walk.memory.stuck.any()
        walk.step()
        walk.check()


def test_with_nothing_to_forget_it_is_stuck():
    walk = Walk(2)
    walk.step(flat=[1])
    walk.forget(1)
    assert walk.memory.stuck.tolist() == [False, True]


def test_some_are_taken_with_all_they_remember():
    walk = Walk(4)
    for _ in range(PAIRS + 3):
        walk.step()
    kept = np.array([3, 1])
    walk.memory, walk.gradient = walk.memory.take(kept), walk.gradient[kept]
    walk.curvature, walk.pairs = walk.curvature[kept], [walk.pairs[i] for i in kept]
    for _ in range(PAIRS + 3):
        walk.check()
        walk.step()
