"""The memory of L-BFGS for a batch, in its compact form (Byrd, Nocedal & Schnabel 1994)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.methods._logistic_search import Flags, Numbers, on, told

Tensor = Any  # torch is imported where it is used

PAIRS = 10  # scikit-learn's (SciPy's `maxcor`)


@dataclass(slots=True)
class Memory:
    """The last m pairs of steps s and changes of the gradient y of P problems of K unknowns.

    `basis` `(P, 2 m, K)` is a ring that holds s and y in turn. Everything else is a few numbers a
    problem, float64, and stays on the host in NumPy: a GPU would start a kernel for each of thirty
    operations on them, and PyTorch takes three times as long over a hundred numbers. Numbers are
    where their pairs stand in the ring, whichever is the oldest. A pair that says nothing is zero.

    `inverse` `(P, m, m)` is that of the products s'y of each s with the y not older than it, a
    triangle if the ring is read from the oldest pair on. Of such a matrix the inverse of what is
    left is what is left of the inverse when the oldest pair goes, and a new pair adds a column: so
    nothing is solved again. Products with the newest y are differences of products with gradients,
    so that a step reads the basis twice and no more.
    """

    basis: Tensor
    newest: Tensor  # (P, 2, 2), products of the newest pair, where the basis is
    inverse: Numbers
    changes: Numbers  # (P, m, m), products y'y
    own: Numbers  # (P, m), products s'y of each pair; 0 where a pair says nothing
    along: Numbers  # (P, 2 m), products of the basis with the last gradient
    square: Numbers  # (P,) of the last gradient
    scale: Numbers  # (P,) of the first inverse Hessian
    held: NDArray[np.int64]  # (P,) pairs since the last `forget`
    stuck: Flags  # (P,) where even the gradient's own direction led nowhere
    added: int  # pairs, ever

    @classmethod
    def empty(cls, problems: int, unknowns: int, dtype: Any, device: Any) -> Memory:
        import torch

        basis = torch.empty(problems, 2 * PAIRS, unknowns, dtype=dtype, device=device)
        return cls(
            basis=basis,
            newest=basis.new_zeros(problems, 2, 2),
            inverse=np.zeros((problems, PAIRS, PAIRS)),
            changes=np.zeros((problems, PAIRS, PAIRS)),
            own=np.zeros((problems, PAIRS)),
            along=np.zeros((problems, 2 * PAIRS)),
            square=np.zeros(problems),
            scale=np.ones(problems),
            held=np.zeros(problems, np.int64),
            stuck=np.zeros(problems, np.bool_),
            added=0,
        )

    @property
    def _filled(self) -> Tensor:
        """The basis as far as it was written."""
        return self.basis[:, : 2 * min(self.added, PAIRS)]

    def take(self, at: NDArray[np.int64]) -> Memory:
        """The problems `at`, after `look`."""
        import torch

        filled, there = self._filled, torch.from_numpy(at).to(self.basis.device)
        basis = self.basis.new_empty(len(at), *self.basis.shape[1:])
        torch.index_select(filled, 0, there, out=basis[:, : filled.shape[1]])
        return Memory(
            basis=basis,
            newest=self.newest,  # told
            inverse=self.inverse[at],
            changes=self.changes[at],
            own=self.own[at],
            along=self.along[at],
            square=self.square[at],
            scale=self.scale[at],
            held=self.held[at],
            stuck=self.stuck[at],
            added=self.added,
        )

    def forget(self, where: Flags) -> None:
        """Start anew `where` `(P,)` a line search failed; with nothing to forget it is stuck."""
        if not where.any():
            return
        self.stuck |= where & (self.held == 0)
        for part in (self.inverse, self.changes, self.own, self.along, self.held):
            part[where] = 0
        self._clear(where, slice(2 * min(self.added, PAIRS)))

    def _clear(self, where: Flags, pairs: slice) -> None:
        import torch

        self.basis[:, pairs][torch.from_numpy(where).to(self.basis.device)] = 0

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
        products = [torch.bmm(row, gradient[:, :, None])]
        if self.added:  # this way round: the other is five times slower on a CPU
            products += [torch.bmm(row, self._filled.mT), self.newest.view(-1, 1, 4)]
        numbers = told(torch.cat(products, dim=2)[:, 0])  # at once: it waits for a GPU
        self.square = numbers[:, 0]
        if self.added:
            self._take_in(numbers[:, 1:-4], *numbers[:, -4:].T)

    def _take_in(self, found: Numbers, s2: Numbers, sy: Numbers, _: Numbers, y2: Numbers) -> None:
        """Products `found` `(P, 2 h)` of the basis with the gradient, and those of the newest pair
        with itself `(P,)`: from them those of what it holds with the newest y."""
        import torch

        at, held = (self.added - 1) % PAIRS, found.shape[1] // 2
        pair = slice(2 * at, 2 * at + 2)
        change = found - self.along[:, : 2 * held]
        useful = sy > torch.finfo(self.basis.dtype).eps * np.sqrt(s2 * y2)
        if not useful.all():
            useless = ~useful
            self._clear(useless, pair)
            found[useless, pair] = change[useless] = sy[useless] = y2[useless] = 0.0
        self.along[:, : 2 * held] = found
        np.divide(sy, y2, out=self.scale, where=useful)
        self.own[:, at] = sy
        self.held += useful
        inverse = self.inverse
        inverse[:, at] = inverse[:, :, at] = 0.0
        column = np.einsum("pij,pj->pi", inverse[:, :held, :held], change[:, 0::2])
        share = np.divide(1.0, sy, out=np.zeros_like(sy), where=useful)
        column *= -share[:, None]
        column[:, at] = share
        inverse[:, :held, at] = column
        self.changes[:, at, :held] = self.changes[:, :held, at] = change[:, 1::2]
        self.changes[:, at, at] = y2

    def direction(self, gradient: Tensor) -> tuple[Tensor, Numbers]:
        """The quasi-Newton direction `(P, K)` at the `gradient` that was looked at, and the slope
        along it `(P,)`, on the host."""
        import torch

        if not self.added:
            return -gradient, -self.square
        scale, told_by = self.scale[:, None], 2 * min(self.added, PAIRS)
        first = np.einsum("pij,pj->pi", self.inverse, self.along[:, 0::2])
        inner = np.einsum("pij,pj->pi", self.changes, first)
        inner -= self.along[:, 1::2]
        inner *= scale
        inner += self.own * first
        by = np.empty((len(first), 2 * PAIRS + 1))
        by[:, 0:-1:2] = np.einsum("pij,pi->pj", self.inverse, -inner)
        by[:, 1::2] = scale * first
        by[:, told_by] = -self.scale
        slope = np.einsum("pi,pi->p", by[:, :told_by], self.along[:, :told_by])
        slope -= self.scale * self.square
        weights = on(gradient, by[:, : told_by + 1])
        start = gradient * weights[:, -1:]
        found = torch.baddbmm(start[:, None], weights[:, None, :-1], self._filled)
        return found[:, 0], slope
