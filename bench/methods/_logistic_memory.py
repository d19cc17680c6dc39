"""The memory of L-BFGS for a batch, in its compact form (Byrd, Nocedal & Schnabel 1994)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tensor = Any  # torch is imported where it is used

PAIRS = 10  # scikit-learn's (SciPy's `maxcor`)


@dataclass(slots=True)
class Memory:
    """The last m pairs of steps s and changes of the gradient y of P problems of K unknowns.

    `basis` `(P, 2 m, K)` is a ring that holds s and y in turn, `mixed` and `changes`
    `(P, m, m)` float64 the products s'y and y'y. A pair that says nothing is zero.
    Products with the newest y are differences of products with gradients, so that a step reads
    the basis twice and no more.
    """

    basis: Tensor
    mixed: Tensor
    changes: Tensor
    along: Tensor  # (P, 2 m) float64, products of the basis with the last gradient
    scale: Tensor  # (P,) float64, of the first inverse Hessian
    held: Tensor  # (P,) pairs since the last `forget`
    stuck: Tensor  # (P,) where even the gradient's own direction led nowhere
    added: int  # pairs, ever

    @classmethod
    def empty(cls, problems: int, unknowns: int, dtype: Any, device: Any) -> Memory:
        import torch

        square = torch.zeros(problems, PAIRS, PAIRS, dtype=torch.float64, device=device)
        return cls(
            torch.empty(problems, 2 * PAIRS, unknowns, dtype=dtype, device=device),
            square,
            square.clone(),
            torch.zeros(problems, 2 * PAIRS, dtype=torch.float64, device=device),
            torch.ones(problems, dtype=torch.float64, device=device),
            torch.zeros(problems, dtype=torch.int64, device=device),
            torch.zeros(problems, dtype=torch.bool, device=device),
            0,
        )

    @property
    def _filled(self) -> Tensor:
        """The basis as far as it was written."""
        return self.basis[:, : 2 * min(self.added, PAIRS)]

    def take(self, at: Tensor) -> Memory:
        """The problems `at`."""
        import torch

        filled = self._filled
        basis = self.basis.new_empty(len(at), *self.basis.shape[1:])
        torch.index_select(filled, 0, at, out=basis[:, : filled.shape[1]])
        return Memory(
            basis=basis,
            mixed=self.mixed[at],
            changes=self.changes[at],
            along=self.along[at],
            scale=self.scale[at],
            held=self.held[at],
            stuck=self.stuck[at],
            added=self.added,
        )

    def forget(self, where: Tensor) -> None:
        """Start anew `where` `(P,)` a line search failed; with nothing to forget it is stuck."""
        if not where.any():
            return
        self.stuck = self.stuck | (where & (self.held == 0))
        for part in (self._filled, self.mixed, self.changes, self.along, self.held):
            part[where] = 0

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a step and the change of the gradient `(P, K)`, in place of the oldest.

        `direction` is to be called next, with the gradient at which the step ended.
        """
        import torch

        at = self.added % PAIRS
        pair = self.basis[:, 2 * at : 2 * at + 2]
        pair[:, 0], pair[:, 1] = step, change
        products = torch.bmm(pair, pair.mT).double()
        s2, sy, y2 = products[:, 0, 0], products[:, 0, 1], products[:, 1, 1]
        useful = sy > torch.finfo(step.dtype).eps * torch.sqrt(s2 * y2)
        if not useful.all():
            pair[~useful] = 0
        self.mixed[:, at, at] = torch.where(useful, sy, 0.0)
        self.changes[:, at, at] = torch.where(useful, y2, 0.0)
        self.scale = torch.where(useful, sy / y2, self.scale)
        self.held = self.held + useful
        self.added += 1

    def direction(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The quasi-Newton direction `(P, K)` at `gradient`, and the slope along it `(P,)`."""
        import torch

        size = torch.bmm(gradient[:, None], gradient[:, :, None]).view(-1).double()
        if not self.added:
            return -gradient, -size.to(gradient.dtype)
        self._multiply(gradient)
        held, turned = min(self.added, PAIRS), self.added > PAIRS
        mixed, changes = self.mixed[:, :held, :held], self.changes[:, :held, :held]
        s, y = self.along.view(-1, PAIRS, 2)[:, :held].unbind(2)
        if turned:  # the oldest first; else they stand so
            order = (torch.arange(PAIRS, device=gradient.device) + self.added) % PAIRS
            mixed, changes = (part[:, order][:, :, order] for part in (mixed, changes))
            s, y = s[:, order], y[:, order]
        own = mixed.diagonal(dim1=1, dim2=2)
        upper = mixed.triu() + torch.diag_embed((own == 0).double())
        scale = self.scale[:, None]
        first = _solve(upper, s, upper=True)
        inner = own * first + scale * ((changes @ first[:, :, None])[:, :, 0] - y)
        second = _solve(upper.mT, inner, upper=False)
        pairs = torch.stack([-second, scale * first], dim=2)
        if turned:
            pairs = pairs[:, (torch.arange(PAIRS, device=gradient.device) - self.added) % PAIRS]
        weights = pairs.flatten(1)
        slope = (weights * self.along[:, : 2 * held]).sum(1) - self.scale * size
        start = gradient * -scale.to(gradient.dtype)
        weights = weights[:, None].to(gradient.dtype)
        found = torch.baddbmm(start[:, None], weights, self._filled)
        return found[:, 0], slope.to(gradient.dtype)

    def _multiply(self, gradient: Tensor) -> None:
        """Products of the basis with `gradient`, and so of what it holds with the newest y."""
        import torch

        at, filled = (self.added - 1) % PAIRS, self._filled
        # this way round: the other is five times slower on a CPU
        found = torch.bmm(gradient[:, None], filled.mT)[:, 0].double()
        held = filled.shape[1] // 2
        change = found - self.along[:, : 2 * held]
        live = self.mixed[:, at, at] > 0
        change = torch.where(live[:, None], change, 0.0)
        others = torch.arange(held, device=gradient.device) != at
        self.mixed[:, :held, at] = torch.where(others, change[:, 0::2], self.mixed[:, :held, at])
        self.changes[:, :held, at] = torch.where(
            others, change[:, 1::2], self.changes[:, :held, at]
        )
        self.changes[:, at, :held] = self.changes[:, :held, at].clone()
        self.along[:, : 2 * held] = found


def _solve(matrix: Tensor, right: Tensor, *, upper: bool) -> Tensor:
    import torch

    return torch.linalg.solve_triangular(matrix, right[:, :, None], upper=upper)[:, :, 0]
