"""L-BFGS on a batch of softmax regressions.

A batch has D datasets and M slots a dataset; a slot is one problem.  A step costs two products
with the features, one for the logits of the direction and one for the gradient: the logits are
linear in the step's length, so that a line search (`_logistic_search.py`) needs no further product.

What is one number a slot is on the host, in NumPy, wherever the features are: a GPU takes as
long to start a kernel on a hundred numbers as on a million, and whether a slot is done is asked
here anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.methods._logistic_memory import Memory
from bench.methods._logistic_search import Flags, Numbers, Search, on, residuals_of, told

Tensor = Any  # torch is imported where it is used

NEVER = -1e30  # the intercept of a class that only fills up k: its probability is exactly 0
LOOK = 10  # steps after which the true norm is looked at in any case: unlike columns mislead `due`
CROWDED = 0.75  # share of live slots below which the finished ones are thrown out


@dataclass(frozen=True, slots=True)
class Data:
    """Features of D datasets: `rows` `(D, n, r)`, centred, then zeros, the last column the
    intercept's; `counts` `(D, 1)` true rows; `centers` `(D, d)`; `basis` `(D, r - 1, d)`
    orthonormal rows in which `rows` are written, or None for the features themselves.
    """

    rows: Tensor
    counts: Tensor
    centers: Tensor
    basis: Tensor | None

    def take(self, at: NDArray[np.int64]) -> Data:
        import torch

        there = torch.from_numpy(at).to(self.rows.device)
        basis = None if self.basis is None else self.basis[there]
        return Data(self.rows[there], self.counts[there], self.centers[there], basis)

    def unfold(self, weights: Tensor) -> Tensor:
        """From `(D, M, k, r)` to the features' own dimensions `(D, M, k, d)`."""
        if self.basis is None:
            return weights[..., : self.centers.shape[1]]
        return weights[..., :-1] @ self.basis[:, None]

    def norm(self, gradient: Tensor) -> Tensor:
        """Largest entry `(D, M)` of the mean gradient with respect to uncentred features."""
        import torch

        if gradient.shape[2] == 2:  # with respect to the single vector of two classes
            gradient = (gradient[:, :, 1:] - gradient[:, :, :1]) / 2
        bias = gradient[..., -1:]
        outer = self.unfold(gradient)
        outer = torch.addcmul(outer, bias, self.centers[:, None, None])
        return torch.maximum(outer.abs().amax((2, 3)), bias.abs().amax((2, 3))) / self.counts


@dataclass(frozen=True, slots=True)
class Slots:
    """Problems `(D, M)`: `labels` `(D, M, n)`; on the host `penalties`, 1 / C, and `left`, the
    steps each may take (below zero: the slot is empty).
    """

    labels: Tensor
    penalties: Numbers
    left: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """Where slots stand: `weights` `(D, M, k, r)`, `logits` `(D, n, M, k)`, and the `gradient`
    of the cross entropies alone `(D, M, k, r)`. It serves any penalty.
    """

    weights: Tensor
    logits: Tensor
    gradient: Tensor

    def single(self) -> Point:
        """The point in float32."""
        return Point(self.weights.float(), self.logits.float(), self.gradient.float())


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where slots ended, and on the host `(D, M)` gradient norms and steps taken."""

    point: Point
    norms: Numbers
    iterations: NDArray[np.int64]


@dataclass(slots=True)
class _State:
    """What changes from step to step; all but `logits` `(D, n, M, k)` begin with `(D, M)`."""

    labels: Tensor
    penalty: Tensor  # (D, M, 1, r), 0 for the intercept
    weights: Tensor
    gradient: Tensor
    logits: Tensor
    memory: Memory
    # on the host
    number: NDArray[np.int64]  # of the slot in the outcome
    live: Flags
    left: NDArray[np.int64]
    due: Numbers  # the 2-norm of the gradient at which the true norm is looked at
    best: Numbers  # the smallest 2-norm so far
    since: NDArray[np.int64]  # steps since then

    def take(self, at: NDArray[np.int64], slots: NDArray[np.int64]) -> _State:
        """Keep the datasets `at` `(D',)` and of each the `slots` `(D', M')`."""
        here = at[:, None], slots
        there = tuple(on(self.labels, part) for part in here)
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        logits, memory = kept.pop("logits"), kept.pop("memory")
        far = {"labels", "penalty", "weights", "gradient"}
        kept = {name: of[there if name in far else here] for name, of in kept.items()}
        flat = (here[0] * self.live.shape[1] + slots).reshape(-1)
        logits = logits.transpose(1, 2)[there].transpose(1, 2).contiguous()
        return _State(**kept, logits=logits, memory=memory.take(flat))


def origin(data: Data, labels: Tensor, classes: int) -> Point:
    """Zero weights; `classes` are filled up to a size that products are fast at.

    The gradient there is what each class lacks of its share of the sum of all rows.
    """
    import torch

    (sets, n, width), most = data.rows.shape, labels.shape[1]
    padded = round_up(classes, 8) if classes > 32 else classes
    kind = {"dtype": data.rows.dtype, "device": data.rows.device}
    weights = torch.zeros(sets, most, padded, width, **kind)
    weights[:, :, classes:, -1] = NEVER
    logits = torch.zeros(sets, n, most, padded, **kind)
    logits[..., classes:] = NEVER
    gradient = torch.zeros_like(weights)
    gradient[:, :, :classes] = (data.rows.sum(1) / classes)[:, None, None]
    rows, into = data.rows.flatten(0, 1), gradient.view(-1, width)
    first = torch.arange(0, len(into), most * padded, device=labels.device)[:, None]
    for j in range(most):
        at = first + j * padded + labels[:, j]
        into.index_add_(0, at.view(-1), rows, alpha=-1)
    return Point(weights, logits, gradient)


def evaluate(data: Data, weights: Tensor, labels: Tensor) -> Point:
    """The point of given weights, in the precision of `data`."""
    weights = weights.to(data.rows.dtype)
    logits = _product(data, weights)
    return Point(weights, logits, _gradient(data, residuals_of(logits, _places(labels))))


def round_up(size: int, to: int) -> int:
    """The next multiple of `to`: products are up to a third faster there."""
    return -(-size // to) * to


def descend(data: Data, start: Point, slots: Slots, goal: float, patience: int | None) -> Outcome:
    """Descend from `start`; slots finish one by one: where the mean gradient's norm is at most
    `goal`, at their last step, or after `patience` steps without a smaller gradient than before
    (None: never)."""
    state = _begin(data, start, slots, goal)
    outcome = Outcome(
        Point(start.weights.clone(), start.logits.clone(), start.gradient.clone()),
        np.full_like(slots.penalties, np.inf),
        np.zeros_like(slots.left),
    )
    step = 0
    while True:
        state.memory.look(_flat(state.gradient))
        done, norms = _finished(data, state, goal, patience, step)
        _record(outcome, state, done, norms, step)
        state.live &= ~done
        if not state.live.any():
            return outcome
        data, state = _thin(data, state)
        _step(data, state)
        step += 1


def _begin(data: Data, start: Point, slots: Slots, goal: float) -> _State:
    import torch

    sets, most, padded, width = start.weights.shape
    penalty = on(data.rows, slots.penalties)[..., None, None].repeat(1, 1, 1, width)
    penalty[..., -1] = 0.0
    # an entry of a gradient is seldom over four times its root mean square: look from there on
    due = goal * told(data.counts) * (padded * data.centers.shape[1]) ** 0.5 / 4
    return _State(
        labels=slots.labels,
        penalty=penalty,
        weights=start.weights,
        gradient=torch.addcmul(start.gradient, penalty, start.weights),
        logits=start.logits,
        memory=Memory.empty(sets * most, padded * width, data.rows.dtype, data.rows.device),
        number=np.arange(sets * most).reshape(sets, most),
        live=slots.left >= 0,
        left=slots.left,
        due=np.broadcast_to(due, (sets, most)),
        best=np.full((sets, most), np.inf),
        since=np.zeros((sets, most), np.int64),
    )


def _flat(of: Tensor) -> Tensor:
    """A row of unknowns for each slot `(D M, k r)`."""
    return of.flatten(2).flatten(0, 1)


def _places(labels: Tensor) -> Tensor:
    """Where labels stand among logits `(D, n, M, 1)`."""
    return labels.transpose(1, 2)[..., None]


def _product(data: Data, weights: Tensor) -> Tensor:
    """Logits `(D, n, M, k)`."""
    import torch

    sets, most, k, width = weights.shape
    flat = torch.bmm(data.rows, weights.reshape(sets, most * k, width).mT)
    return flat.view(sets, -1, most, k)


def _gradient(data: Data, residuals: Tensor) -> Tensor:
    """The gradient of the cross entropies `(D, M, k, r)`."""
    import torch

    sets, n, most, k = residuals.shape
    flat = torch.bmm(residuals.view(sets, n, most * k).mT, data.rows)
    return flat.view(sets, most, k, -1)


def _finished(
    data: Data, state: _State, goal: float, patience: int | None, step: int
) -> tuple[Flags, Numbers]:
    """Which live slots are done `(D, M)`, and the true norms (of these at least)."""
    size = np.sqrt(state.memory.square).reshape(state.live.shape)
    better = size < state.best
    state.best = np.where(better, size, state.best)
    state.since = np.where(better, 0, state.since + 1)
    done = state.live & (state.memory.stuck.reshape(state.live.shape) | (state.left <= step))
    if patience is not None:
        done |= state.live & (state.since > patience)
    looked = state.live & (size <= state.due) if step % LOOK else state.live
    if not (done | looked).any():
        return done, size
    norms = told(data.norm(state.gradient))
    if step:  # next look: where the norm would reach its goal if the two norms shrink alike
        state.due = np.where(looked, size * np.minimum(goal / norms, 0.95), state.due)
    return done | (state.live & (norms <= goal)), norms


def _record(outcome: Outcome, state: _State, done: Flags, norms: Numbers, step: int) -> None:
    if not done.any():
        return
    most, at = outcome.norms.shape[1], state.number[done]
    outcome.norms.flat[at] = norms[done]
    outcome.iterations.flat[at] = step
    point = outcome.point
    i, j = (on(state.labels, part) for part in np.nonzero(done))
    there, weights = on(state.labels, at), state.weights[i, j]
    point.weights.flatten(0, 1)[there] = weights
    point.gradient.flatten(0, 1)[there] = state.gradient[i, j] - state.penalty[i, j] * weights
    point.logits[there // most, :, there % most] = state.logits[i, :, j]


def _thin(data: Data, state: _State) -> tuple[Data, _State]:
    """Throw out finished slots once they are many, and datasets with no others."""
    live = state.live.sum(1)
    most = int(live.max())
    at = np.nonzero(live)[0]
    if len(at) * most > CROWDED * state.live.size:
        return data, state
    slots = np.argsort(~state.live[at], axis=1, kind="stable")[:, :most]
    state = state.take(at, slots)
    return (data if len(at) == len(data.rows) else data.take(at)), state


def _step(data: Data, state: _State) -> None:
    """One step of every slot: direction, line search, gradient, memory."""

    shape = state.weights.shape
    direction, slope = state.memory.direction(_flat(state.gradient))
    direction = direction.view(shape)
    shrunk = state.penalty * direction
    search = Search(
        logits=state.logits,
        along=_product(data, direction),
        labels=state.labels,
        slope=slope.reshape(shape[:2]),
        pull=(shrunk * state.weights).sum((2, 3)),
        stiffness=(shrunk * direction).sum((2, 3)),
        live=state.live,
        scaled=state.memory.added > 0,
    )
    found = search.run()
    state.memory.forget(found.failed.reshape(-1))
    state.logits = found.logits
    if (found.length != 1).any():
        direction = direction * on(direction, found.length)[..., None, None]
    state.weights = state.weights + direction
    old = state.gradient
    state.gradient = _gradient(data, found.residuals).addcmul_(state.penalty, state.weights)
    state.memory.add(_flat(direction), _flat(state.gradient), _flat(old))
