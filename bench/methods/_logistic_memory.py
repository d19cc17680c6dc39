"""The memory of L-BFGS for a batch, in its compact form (Byrd, Nocedal & Schnabel 1994)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tensor = Any  # torch is imported where it is used

PAIRS = 10  # scikit-learn's (SciPy's `maxcor`)


@dataclass(slots=True)
class Memory:
    """The last m pairs of steps s and changes of the gradient y of P problems of K unknowns.

    `basis` `(P, 2 m, K)` is a ring that holds s and y in turn. Everything else is a few numbers a
    problem, float64, and stays on the host: a GPU would start a kernel for each of fifty
    operations on them. `mixed` and `changes` `(P, m, m)` are the products s'y and y'y. A pair that
    says nothing is zero. Products with the newest y are differences of products with gradients, so
    that a step reads the basis twice and no more.
    """

    basis: Tensor
    newest: Tensor  # (P, 2, 2), products of the newest pair, where the basis is
    mixed: Tensor
    changes: Tensor
    along: Tensor  # (P, 2 m), products of the basis with the last gradient
    square: Tensor  # (P,) of the last gradient
    scale: Tensor  # (P,) of the first inverse Hessian
    held: Tensor  # (P,) pairs since the last `forget`
    stuck: Tensor  # (P,) where even the gradient's own direction led nowhere
    added: int  # pairs, ever

    @classmethod
    def empty(cls, problems: int, unknowns: int, dtype: Any, device: Any) -> Memory:
        import torch

        basis = torch.empty(problems, 2 * PAIRS, unknowns, dtype=dtype, device=device)
        return cls(
            basis=basis,
            newest=basis.new_zeros(problems, 2, 2),
            mixed=torch.zeros(problems, PAIRS, PAIRS, dtype=torch.float64),
            changes=torch.zeros(problems, PAIRS, PAIRS, dtype=torch.float64),
            along=torch.zeros(problems, 2 * PAIRS, dtype=torch.float64),
            square=torch.zeros(problems, dtype=torch.float64),
            scale=torch.ones(problems, dtype=torch.float64),
            held=torch.zeros(problems, dtype=torch.int64),
            stuck=torch.zeros(problems, dtype=torch.bool),
            added=0,
        )

    @property
    def _filled(self) -> Tensor:
        """The basis as far as it was written."""
        return self.basis[:, : 2 * min(self.added, PAIRS)]

    def take(self, at: Tensor) -> Memory:
        """The problems `at`, after `look`."""
        import torch

        filled, there = self._filled, at.to(self.basis.device)
        basis = self.basis.new_empty(len(at), *self.basis.shape[1:])
        torch.index_select(filled, 0, there, out=basis[:, : filled.shape[1]])
        return Memory(
            basis=basis,
            newest=self.newest,  # told
            mixed=self.mixed[at],
            changes=self.changes[at],
            along=self.along[at],
            square=self.square[at],
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
        for part in (self.mixed, self.changes, self.along, self.held):
            part[where] = 0
        self._filled[where.to(self.basis.device)] = 0

    def add(self, step: Tensor, gradient: Tensor, before: Tensor) -> None:
        """Remember a step `(P, K)` and the gradients behind and before it, in place of the oldest.

        `look` is to be called next, with that gradient.
        """
        import torch

        at = self.added % PAIRS
        pair = self.basis[:, 2 * at : 2 * at + 2]
        pair[:, 0] = step
        torch.sub(gradient, before, out=pair[:, 1])
        self.newest = torch.bmm(pair, pair.mT)
        self.added += 1

    def look(self, gradient: Tensor) -> None:
        """Take in the gradient `(P, K)` at which the problems stand: `square` is true after it."""
        import torch

        row = gradient[:, None]
        told = [torch.bmm(row, gradient[:, :, None])]
        if self.added:  # this way round: the other is five times slower on a CPU
            told += [torch.bmm(row, self._filled.mT), self.newest.view(-1, 1, 4)]
        numbers = torch.cat(told, dim=2)[:, 0].cpu().double()  # at once: it waits for a GPU
        self.square = numbers[:, 0]
        if self.added:
            self._take_in(numbers[:, -4:])
            self._multiply(numbers[:, 1:-4])

    def _take_in(self, newest: Tensor) -> None:
        """The products of the newest pair `(P, 4)`, where they say something."""
        import torch

        at = (self.added - 1) % PAIRS
        s2, sy, _, y2 = newest.unbind(1)
        useful = sy > torch.finfo(self.basis.dtype).eps * torch.sqrt(s2 * y2)
        if not useful.all():
            useless = (~useful).to(self.basis.device)
            self.basis[:, 2 * at : 2 * at + 2][useless] = 0
        self.mixed[:, at, at] = torch.where(useful, sy, 0.0)
        self.changes[:, at, at] = torch.where(useful, y2, 0.0)
        self.scale = torch.where(useful, sy / y2, self.scale)
        self.held = self.held + useful

    def _multiply(self, found: Tensor) -> None:
        """Products of the basis with the gradient, and so of what it holds with the newest y."""
        import torch

        at, held = (self.added - 1) % PAIRS, found.shape[1] // 2
        live = (self.mixed[:, at, at] > 0)[:, None]
        found[:, 2 * at : 2 * at + 2] = torch.where(live, found[:, 2 * at : 2 * at + 2], 0.0)
        change = torch.where(live, found - self.along[:, : 2 * held], 0.0)
        others = torch.arange(held) != at
        self.mixed[:, :held, at] = torch.where(others, change[:, 0::2], self.mixed[:, :held, at])
        self.changes[:, :held, at] = torch.where(
            others, change[:, 1::2], self.changes[:, :held, at]
        )
        self.changes[:, at, :held] = self.changes[:, :held, at].clone()
        self.along[:, : 2 * held] = found

    def direction(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The quasi-Newton direction `(P, K)` at the `gradient` that was looked at, and the slope
        along it `(P,)`, on the host."""
        import torch

        if not self.added:
            return -gradient, -self.square
        held, turned = min(self.added, PAIRS), self.added > PAIRS
        mixed, changes = self.mixed[:, :held, :held], self.changes[:, :held, :held]
        s, y = self.along.view(-1, PAIRS, 2)[:, :held].unbind(2)
        if turned:  # the oldest first; else they stand so
            order = (torch.arange(PAIRS) + self.added) % PAIRS
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
            pairs = pairs[:, (torch.arange(PAIRS) - self.added) % PAIRS]
        weights = pairs.flatten(1)
        slope = (weights * self.along[:, : 2 * held]).sum(1) - self.scale * self.square
        told = torch.cat([weights, -scale], dim=1).to(gradient.dtype).to(gradient.device)
        start = gradient * told[:, -1:]
        found = torch.baddbmm(start[:, None], told[:, None, :-1], self._filled)
        return found[:, 0], slope


def _solve(matrix: Tensor, right: Tensor, *, upper: bool) -> Tensor:
    import torch

    return torch.linalg.solve_triangular(matrix, right[:, :, None], upper=upper)[:, :, 0]
