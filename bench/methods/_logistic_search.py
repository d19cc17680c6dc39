"""The line search of a batch of softmax regressions.

The loss is convex along a direction, so that its derivative is all that need be looked at; and
logits are linear in the length, so that a trial costs no product with the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensor = Any  # torch is imported where it is used
Numbers: TypeAlias = NDArray[np.float64]
"""On the host, as `Flags` are."""
Flags: TypeAlias = NDArray[np.bool_]

CURVATURE = 0.9  # Nocedal & Wright 2006, section 3.1: of the strong Wolfe conditions
TRIALS = 25  # of a line search; past it the direction is useless at this precision


@dataclass(frozen=True, slots=True)
class Found:
    """Lengths `(D, M)` and where none was found `(D, M)` (length 0), on the host; there, the logits
    `(D, n, M, k)` and the probabilities less one at the label."""

    length: Numbers
    failed: Flags
    logits: Tensor
    residuals: Tensor


@dataclass(slots=True)
class Search:
    """A line search on the derivative, all slots at once, then those that need another trial.

    What is one number a slot is on the host, and a trial tells its slopes there in one piece.
    """

    logits: Tensor
    along: Tensor
    labels: Tensor
    slope: Numbers  # (D, M), at 0
    pull: Tensor  # (D, M), the penalty's share of the slope
    stiffness: Tensor  # (D, M), by which it grows with the length
    live: Flags  # (D, M)
    scaled: bool  # whether a length of 1 is to be expected

    def run(self) -> Found:
        import torch

        length = np.ones_like(self.slope)
        if not self.scaled:
            length = -self.slope / told(self._curvature())
            length[~np.isfinite(length)] = 1.0  # there is nothing to gain there
        at = self.labels.transpose(1, 2)[..., None]
        by = on(self.along, length)[:, None, :, None]
        slopes, logits, residuals = _slope(self.logits, self.along, by, at, (1, 3))
        slope, pull, stiffness = told(torch.stack([slopes, self.pull, self.stiffness]))
        slope += pull + length * stiffness
        found = good(self.slope, slope) | ~self.live
        failed = np.zeros_like(found)
        if found.all():
            return Found(length, failed, logits, residuals)
        i, j = np.nonzero(~found)
        where = on(at, i), slice(None), on(at, j)
        of = self.logits[where], self.along[where]
        at, pull, stiffness = at[where], pull[i, j], stiffness[i, j]
        again = _Bracket.around(length[i, j], slope[i, j], self.slope[i, j])
        for _ in range(TRIALS):
            trial = again.guess()
            slopes, *there = _slope(*of, on(self.along, trial)[:, None, None], at, (1, 2))
            if again.narrow(trial, told(slopes) + pull + trial * stiffness).all():
                break
        lost = ~again.found
        length[i, j] = np.where(lost, 0.0, again.length)
        if lost.any():
            by = on(self.along, length[i, j])[:, None, None]
            _, *there = _slope(*of, by, at, (1, 2))
        logits[where], residuals[where] = there
        failed[i[lost], j[lost]] = True
        return Found(length, failed, logits, residuals)

    def _curvature(self) -> Tensor:
        """The second derivative along the direction, at 0."""
        import torch

        chances = torch.softmax(self.logits, -1)
        mean = (chances * self.along).sum(-1, keepdim=True)
        return (chances * (self.along - mean).square()).sum((1, 3)) + self.stiffness


def good(start: Numbers, slope: Numbers) -> Flags:
    """Whether a `slope` is flat enough beside that at the `start`, which leads down."""
    return (start < 0) & (np.abs(slope) <= -CURVATURE * start)


def on(like: Tensor, numbers: NDArray[Any]) -> Tensor:
    """`numbers` of the host in the type of `like`, and where it is."""
    import torch

    return torch.from_numpy(numbers).to(like.dtype).to(like.device)


def told(numbers: Tensor) -> Numbers:
    """A few numbers of a tensor on the host, in an array of their own."""
    found: Numbers = numbers.cpu().numpy().astype(np.float64)
    return found


def residuals_of(logits: Tensor, at: Tensor) -> Tensor:
    """Probabilities of the last dimension less one at the label `at`, of which it has one entry."""
    import torch

    chances = torch.softmax(logits, -1)
    return chances.scatter_add_(-1, at, chances.new_full((), -1.0).expand(at.shape))


def _slope(logits: Tensor, along: Tensor, length: Tensor, at: Tensor, over: tuple[int, int]) -> Any:
    """The derivative of the loss at a length, and the logits and residuals there."""
    import torch

    logits = torch.addcmul(logits, along, length)
    residuals = residuals_of(logits, at)
    return (residuals * along).sum(over), logits, residuals


@dataclass(slots=True)
class _Bracket:
    """Lengths `(S,)` between which the derivative changes its sign."""

    low: Numbers
    low_slope: Numbers
    high: Numbers
    high_slope: Numbers
    start: Numbers
    length: Numbers
    found: Flags

    @classmethod
    def around(cls, length: Numbers, slope: Numbers, start: Numbers) -> _Bracket:
        low, inf = np.zeros_like(length), np.full_like(length, np.inf)
        none = np.zeros(length.shape, np.bool_)
        bracket = cls(low, start, inf, inf, start, length, none)
        bracket.narrow(length, slope)
        return bracket

    def narrow(self, trial: Numbers, slope: Numbers) -> Flags:
        """Take in the `slope` at `trial`; return what is found."""
        self.length = np.where(self.found, self.length, trial)
        above = ~(slope < 0)  # NaN is too far
        self.high = np.where(above, trial, self.high)
        self.high_slope = np.where(above, slope, self.high_slope)
        self.low = np.where(above, self.low, trial)
        self.low_slope = np.where(above, self.low_slope, slope)
        self.found = self.found | good(self.start, slope)
        return self.found

    def guess(self) -> Numbers:
        """The secant's zero kept off the ends; doubling and more while there is no upper end.
        What is found keeps its length."""
        share = self.low_slope / (self.low_slope - self.high_slope)
        share = np.nan_to_num(share, nan=0.1).clip(0.1, 0.9)
        inside = self.low + (self.high - self.low) * share
        ahead = np.nan_to_num(self.low * self.start / (self.start - self.low_slope), nan=0.0)
        outside = np.minimum(np.maximum(ahead, 2 * self.low), 10 * self.low)
        trial = np.where(np.isinf(self.high), outside, inside)
        return np.where(self.found, self.length, trial)
