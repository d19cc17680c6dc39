"""The line search of a batch of softmax regressions.

The loss is convex along a direction, so that its derivative is all that need be looked at; and
logits are linear in the length, so that a trial costs no product with the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tensor = Any  # torch is imported where it is used

CURVATURE = 0.9  # Nocedal & Wright 2006, section 3.1: of the strong Wolfe conditions
TRIALS = 25  # of a line search; past it the direction is useless at this precision


@dataclass(frozen=True, slots=True)
class Found:
    """Lengths `(D, M)` and where none was found `(D, M)` (length 0), on the host; there, the logits
    `(D, n, M, k)` and the probabilities less one at the label."""

    length: Tensor
    failed: Tensor
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
    slope: Tensor  # (D, M), at 0, on the host
    pull: Tensor  # (D, M), the penalty's share of the slope
    stiffness: Tensor  # (D, M), by which it grows with the length
    live: Tensor  # (D, M), on the host
    scaled: bool  # whether a length of 1 is to be expected

    def run(self) -> Found:
        import torch

        length = torch.ones_like(self.slope)
        if not self.scaled:
            curvature = self._curvature().cpu().double()
            length = (-self.slope / curvature).nan_to_num(1.0, 1.0, 1.0)
        at = self.labels.transpose(1, 2)[..., None]
        by = on(self.along, length)[:, None, :, None]
        slope, logits, residuals = _slope(self.logits, self.along, by, at, (1, 3))
        told = torch.stack([slope, self.pull, self.stiffness]).cpu().double()
        slope, pull, stiffness = told.unbind(0)
        slope = slope + pull + length * stiffness
        found = self._good(slope) | ~self.live
        failed = torch.zeros_like(found)
        if found.all():
            return Found(length, failed, logits, residuals)
        i, j = torch.nonzero(~found, as_tuple=True)
        where = i.to(at.device), slice(None), j.to(at.device)
        of = self.logits[where], self.along[where]
        at, pull, stiffness = at[where], pull[i, j], stiffness[i, j]
        again = _Bracket.around(length[i, j], slope[i, j], self.slope[i, j])
        for _ in range(TRIALS):
            trial = again.guess()
            slope, *there = _slope(*of, on(self.along, trial)[:, None, None], at, (1, 2))
            slope = slope.cpu().double() + pull + trial * stiffness
            if again.narrow(trial, slope, CURVATURE).all():
                break
        lost = ~again.found
        length[i, j] = torch.where(lost, 0.0, again.length)
        if lost.any():
            by = on(self.along, length[i, j])[:, None, None]
            _, *there = _slope(*of, by, at, (1, 2))
        logits[where], residuals[where] = there
        failed[i[lost], j[lost]] = True
        return Found(length, failed, logits, residuals)

    def _good(self, slope: Tensor) -> Tensor:
        return (self.slope < 0) & (slope.abs() <= -CURVATURE * self.slope)

    def _curvature(self) -> Tensor:
        """The second derivative along the direction, at 0."""
        import torch

        chances = torch.softmax(self.logits, -1)
        mean = (chances * self.along).sum(-1, keepdim=True)
        return (chances * (self.along - mean).square()).sum((1, 3)) + self.stiffness


def on(like: Tensor, numbers: Tensor) -> Tensor:
    """`numbers` of the host in the type of `like`, and where it is."""
    return numbers.to(like.dtype).to(like.device)


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

    low: Tensor
    low_slope: Tensor
    high: Tensor
    high_slope: Tensor
    start: Tensor
    length: Tensor
    found: Tensor

    @classmethod
    def around(cls, length: Tensor, slope: Tensor, start: Tensor) -> _Bracket:
        import torch

        low, inf = torch.zeros_like(length), torch.full_like(length, torch.inf)
        none = torch.zeros_like(length, dtype=torch.bool)
        bracket = cls(low, start, inf, inf, start, length.clone(), none)
        bracket.narrow(length, slope, CURVATURE)
        return bracket

    def narrow(self, trial: Tensor, slope: Tensor, curvature: float) -> Tensor:
        """Take in the `slope` at `trial`; return what is found."""
        import torch

        good = (self.start < 0) & (slope.abs() <= -curvature * self.start)
        self.length = torch.where(self.found, self.length, trial)
        above = ~(slope < 0)  # NaN is too far
        self.high = torch.where(above, trial, self.high)
        self.high_slope = torch.where(above, slope, self.high_slope)
        self.low = torch.where(above, self.low, trial)
        self.low_slope = torch.where(above, self.low_slope, slope)
        self.found = self.found | good
        return self.found

    def guess(self) -> Tensor:
        """The secant's zero kept off the ends; doubling and more while there is no upper end.
        What is found keeps its length."""
        import torch

        share = self.low_slope / (self.low_slope - self.high_slope)
        share = share.nan_to_num(0.1).clamp(0.1, 0.9)
        inside = self.low + (self.high - self.low) * share
        ahead = (self.low * self.start / (self.start - self.low_slope)).nan_to_num(0.0)
        outside = torch.minimum(torch.maximum(ahead, 2 * self.low), 10 * self.low)
        trial = torch.where(torch.isinf(self.high), outside, inside)
        return torch.where(self.found, self.length, trial)
