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


@dataclass(slots=True)
class Search:
    """A line search on the derivative, all slots at once, then those that need another trial."""

    logits: Tensor
    along: Tensor
    labels: Tensor
    slope: Tensor  # (D, M), at 0
    pull: Tensor  # (D, M), the penalty's share of the slope
    stiffness: Tensor  # (D, M), by which it grows with the length
    live: Tensor
    scaled: bool  # whether a length of 1 is to be expected

    def run(self) -> tuple[Tensor, Tensor, Tensor]:
        """Lengths `(D, M)`, probabilities there `(D, n, M, k)`, and where none was found
        `(D, M)` (length 0)."""
        import torch

        length = torch.ones_like(self.slope)
        if not self.scaled:
            length = (-self.slope / self._curvature()).nan_to_num(1.0, 1.0, 1.0)
        at = self.labels.transpose(1, 2)[..., None]
        aim = self.along.gather(3, at).sum((1, 3))
        slope, chances = _slope(self.logits, self.along, length[:, None, :, None], (1, 3))
        slope = slope - aim + self.pull + length * self.stiffness
        found = self._good(slope) | ~self.live
        if found.all():
            return length, chances, ~found
        i, j = torch.nonzero(~found, as_tuple=True)
        again = _Bracket.around(length[i, j], slope[i, j], self.slope[i, j])
        logits, along = self.logits[i, :, j], self.along[i, :, j]
        for _ in range(TRIALS):
            trial = again.guess()
            slope, parts = _slope(logits, along, trial[:, None, None], (1, 2))
            slope = slope - aim[i, j] + self.pull[i, j] + trial * self.stiffness[i, j]
            good = again.narrow(trial, slope, CURVATURE)
            if good.all():
                break
        lost = ~again.found
        length[i, j] = torch.where(lost, 0.0, again.length)
        if lost.any():
            _, parts = _slope(logits, along, length[i, j][:, None, None], (1, 2))
        chances[i, :, j] = parts
        failed = torch.zeros_like(found)
        failed[i[lost], j[lost]] = True
        return length, chances, failed

    def _good(self, slope: Tensor) -> Tensor:
        return (self.slope < 0) & (slope.abs() <= -CURVATURE * self.slope)

    def _curvature(self) -> Tensor:
        """The second derivative along the direction, at 0."""
        import torch

        chances = torch.softmax(self.logits, -1)
        mean = (chances * self.along).sum(-1, keepdim=True)
        return (chances * (self.along - mean).square()).sum((1, 3)) + self.stiffness


def _slope(logits: Tensor, along: Tensor, length: Tensor, over: tuple[int, int]) -> Any:
    """The labels apart, the derivative of the loss at a length, and the probabilities there."""
    import torch

    chances = torch.softmax(torch.addcmul(logits, along, length), -1)
    return (chances * along).sum(over), chances


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
