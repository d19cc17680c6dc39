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
    problem, float64, and stays on the host in NumPy: a GPU would start a kernel for each of fifty
    operations on them, and PyTorch takes three times as long over a hundred numbers. `mixed` and
    `changes` `(P, m, m)` are the products s'y and y'y. A pair that says nothing is zero. Products
    with the newest y are differences of products with gradients, so that a step reads the basis
    twice and no more.
    """

    basis: Tensor
    newest: Tensor  # (P, 2, 2), products of the newest pair, where the basis is
    mixed: Numbers
    changes: Numbers
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
            mixed=np.zeros((problems, PAIRS, PAIRS)),
            changes=np.zeros((problems, PAIRS, PAIRS)),
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
            mixed=self.mixed[at],
            changes=self.changes[at],
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
        for part in (self.mixed, self.changes, self.along, self.held):
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
            self._take_in(numbers[:, -4:])
            self._multiply(numbers[:, 1:-4])

    def _take_in(self, newest: Numbers) -> None:
        """The products of the newest pair `(P, 4)`, where they say something."""
        import torch

        at = (self.added - 1) % PAIRS
        s2, sy, _, y2 = newest.T
        useful = sy > torch.finfo(self.basis.dtype).eps * np.sqrt(s2 * y2)
        if not useful.all():
            self._clear(~useful, slice(2 * at, 2 * at + 2))
        self.mixed[:, at, at] = np.where(useful, sy, 0.0)
        self.changes[:, at, at] = np.where(useful, y2, 0.0)
        np.divide(sy, y2, out=self.scale, where=useful)
        self.held += useful

    def _multiply(self, found: Numbers) -> None:
        """Products of the basis with the gradient, and so of what it holds with the newest y."""
        at, held = (self.added - 1) % PAIRS, found.shape[1] // 2
        own, square = self.mixed[:, at, at].copy(), self.changes[:, at, at].copy()
        live = own > 0
        found[~live, 2 * at : 2 * at + 2] = 0.0
        change = np.where(live[:, None], found - self.along[:, : 2 * held], 0.0)
        self.mixed[:, :held, at], self.mixed[:, at, at] = change[:, 0::2], own
        self.changes[:, :held, at], self.changes[:, at, at] = change[:, 1::2], square
        self.changes[:, at, :held] = self.changes[:, :held, at]
        self.along[:, : 2 * held] = found

    def direction(self, gradient: Tensor) -> tuple[Tensor, Numbers]:
        """The quasi-Newton direction `(P, K)` at the `gradient` that was looked at, and the slope
        along it `(P,)`, on the host."""
        import torch

        if not self.added:
            return -gradient, -self.square
        held, turned = min(self.added, PAIRS), self.added > PAIRS
        mixed, changes = self.mixed[:, :held, :held], self.changes[:, :held, :held]
        s, y = self.along[:, : 2 * held : 2], self.along[:, 1 : 2 * held : 2]
        if turned:  # the oldest first; else they stand so
            order = (np.arange(PAIRS) + self.added) % PAIRS
            mixed, changes = (part[:, order[:, None], order] for part in (mixed, changes))
            s, y = s[:, order], y[:, order]
        upper, on_it = np.triu(mixed), np.arange(held)
        own = upper[:, on_it, on_it]
        upper[:, on_it, on_it] = np.where(own == 0, 1.0, own)
        scale = self.scale[:, None]
        first = _solve(upper, s, upper=True)
        inner = own * first + scale * (np.einsum("pij,pj->pi", changes, first) - y)
        second = _solve(upper.transpose(0, 2, 1), inner, upper=False)
        weights = np.empty((len(s), 2 * held))
        back = (np.arange(PAIRS) - self.added) % PAIRS if turned else slice(None)
        weights[:, 0::2], weights[:, 1::2] = -second[:, back], (scale * first)[:, back]
        slope = (weights * self.along[:, : 2 * held]).sum(1) - self.scale * self.square
        by = on(gradient, np.concatenate([weights, -scale], axis=1))
        start = gradient * by[:, -1:]
        found = torch.baddbmm(start[:, None], by[:, None, :-1], self._filled)
        return found[:, 0], slope


def _solve(matrix: Numbers, right: Numbers, *, upper: bool) -> Numbers:
    import torch

    given = torch.from_numpy(matrix), torch.from_numpy(right)[:, :, None]
    found: Numbers = torch.linalg.solve_triangular(*given, upper=upper)[:, :, 0].numpy()
    return found
