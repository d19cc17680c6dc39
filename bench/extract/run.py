"""The hot path: raw inputs in, pooled features out, in input order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Backbone
from bench.core.errors import DivergedError
from bench.core.identity import item_digest
from bench.core.inputs import Encoded, digests, taken
from bench.core.task import Input, Modality
from bench.extract.budget import default_budget
from bench.extract.feed import Mover, Work, feed, over_tensors, pinned
from bench.extract.plan import plan_batches
from bench.extract.sink import Sink
from bench.extract.tokens import TokenCache
from bench.measure import Clock, wall

CHUNK = 16_384
"""Items that are made ready at a time: what bounds the host's memory, whatever their number."""
CHUNK_AHEAD = 4_096
"""Where the device is busy meanwhile: its first batch need not wait for all of them."""
CHUNK_SOUNDS = 2_048
"""Of sounds, which are resampled all of a chunk before the first batch: 2 MB each at 30 s."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Features of inputs and what they cost, end to end (wall seconds).

    `seconds` is of all; `stages` says where they went: prepare (tokenising, decoding),
    collate, forward (with pooling), copy. On CUDA the first two run beside the device, which
    then shows as `wait`, and forward is the time to launch it.
    """

    features: NDArray[np.float32]  # (n, width)
    lengths: NDArray[np.int64]  # (n,) real units
    seconds: float
    truncated: NDArray[np.bool_]  # (n,)
    padding_share: float
    batches: int
    computed: int  # distinct inputs: an input that stands twice is computed once
    budget: int
    halvings: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def extract(
    backbone: Backbone,
    inputs: Sequence[Input],
    device: str,
    report: Callable[[int], None] | None = None,
    clock: Clock = wall,
    *,
    budget: int | None = None,
    tokens: TokenCache | None = None,
    out: NDArray[np.float32] | None = None,
) -> Extracted:
    """Extract features of `n` inputs.

    Args:
        backbone: loaded on `device`.
        inputs: raw inputs of the backbone's modality.
        device: "cpu" or "cuda".
        report: called with the number of distinct items done, batch by batch.
        clock: injected in tests.
        budget: units (tokens, images) of a batch at most; the default (`default_budget`)
            where it is None. Where the device's memory is too small it is halved.
        tokens: token ids that are there already, and where new ones are kept.
        out: where to write, `(n, width)` float32, for instance memory-mapped.

    Raises:
        DivergedError: if a feature is NaN or Inf.
        torch.OutOfMemoryError: if one item alone does not fit.
    """
    run = _Run(backbone, device, clock, budget or default_budget(backbone, device), tokens)
    return run(inputs, report, out)


class _Run:
    """One extraction; its counts and stages."""

    def __init__(
        self,
        backbone: Backbone,
        device: str,
        clock: Clock,
        budget: int,
        tokens: TokenCache | None,
    ) -> None:
        self.backbone, self.device, self.clock = backbone, device, clock
        self.budget, self.tokens = budget, tokens
        self.cuda = device.startswith("cuda")
        self.halvings = self.batches = self.units = self.units_padded = 0
        self.lengths: list[NDArray[np.int64]] = []
        self.truncated: list[NDArray[np.bool_]] = []
        self.stages: dict[str, float] = {}

    def __call__(
        self,
        inputs: Sequence[Input],
        report: Callable[[int], None] | None,
        out: NDArray[np.float32] | None,
    ) -> Extracted:
        import torch

        start = self.clock()
        first, inverse = distinct(inputs)
        once = inputs if len(first) == len(inputs) else taken(inputs, first)
        sink = Sink(len(once), CHUNK, out, None if out is None else first)
        done = 0
        with torch.inference_mode():
            works = feed(self._works(once), threaded=self.cuda)
            for work, batch in Mover(self.device).moved(self._timed("wait", works)):
                for indices, pooled in self._forward(work, batch):
                    with _Stage(self, "copy"):
                        sink.add(work.offset + indices, pooled)
                    done += len(indices)
                    if report:
                        report(done)
            with _Stage(self, "copy"):
                sink.flush()
        features = sink.features
        if features is None:
            features = np.zeros((0, self.backbone.spec.width), dtype=np.float32)
        lengths, truncated = self._facts()
        if len(first) != len(inputs):
            lengths, truncated = lengths[inverse], truncated[inverse]
            if out is None:
                features = features[inverse]
            else:
                repeat(out, first[inverse])
        finite = (np.isfinite(features[i : i + CHUNK]) for i in range(0, len(features), CHUNK))
        if not all(of.all() for of in finite):
            raise DivergedError(f"{self.backbone.spec.name} gave features with NaN or Inf")
        return Extracted(
            features=features,
            lengths=lengths,
            seconds=self.clock() - start,
            truncated=truncated,
            padding_share=1.0 - self.units / self.units_padded if self.units_padded else 0.0,
            batches=self.batches,
            computed=len(once),
            budget=self.budget,
            halvings=self.halvings,
            stages=self.stages,
        )

    def _works(self, inputs: Sequence[Input]) -> Iterator[Work]:
        """Batches of one chunk of inputs after another, made ready on the host."""
        size = CHUNK_AHEAD if self.cuda and self.backbone.packs else CHUNK
        if self.backbone.spec.modality is Modality.AUDIO:
            size = CHUNK_SOUNDS
        for offset in range(0, len(inputs), size):
            chunk = inputs[offset : offset + size]
            with _Stage(self, "prepare"):
                if self.tokens is not None and self.backbone.tokenizer:
                    prepared: Any = self.tokens.prepare(self.backbone, chunk)
                else:
                    prepared = self.backbone.prepare(chunk)
                self.lengths.append(prepared.lengths)
                self.truncated.append(prepared.truncated)
                plan = plan_batches(prepared.lengths, self.budget, packed=self.backbone.packs)
            self.units += plan.units
            self.units_padded += plan.units_padded
            for indices in plan.batches:
                with _Stage(self, "collate"):
                    batch = self.backbone.collate(prepared, indices)
                    batch = pinned(batch) if self.cuda else batch
                yield Work(prepared, indices, offset, batch)

    def _forward(self, work: Work, batch: Any) -> Iterator[tuple[NDArray[np.int64], Any]]:
        """Features of a batch, in parts where it does not fit into the device's memory."""
        import torch

        waiting = [(work.indices, batch)]
        while waiting:
            indices, tensors = waiting.pop()
            units = int(work.prepared.lengths[indices].sum())
            fits = units <= self.budget or len(indices) == 1
            pooled = None
            if fits:
                try:
                    with _Stage(self, "forward"):
                        pooled = self.backbone.forward(tensors)
                except torch.OutOfMemoryError:
                    if len(indices) == 1:
                        raise
            if pooled is not None:
                self.batches += 1
                yield indices, pooled
                continue
            if fits:  # outside of `except`: an error being handled holds what it failed with
                self._halve(units)
            del tensors  # planned before the budget was halved, or just too large
            for half in np.array_split(indices, 2)[::-1]:
                again = self.backbone.collate(work.prepared, half)
                waiting.append((half, over_tensors(again, lambda t: t.to(self.device))))

    def _halve(self, units: int) -> None:
        import torch

        self.budget = max(1, min(units, self.budget) // 2)
        self.halvings += 1
        if self.cuda:
            torch.cuda.empty_cache()

    def _facts(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        if not self.lengths:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        return np.concatenate(self.lengths), np.concatenate(self.truncated)

    def _timed(self, name: str, works: Iterator[Work]) -> Iterator[Work]:
        """What the device waits for: nothing where the batches are made in between."""
        if not self.cuda:
            yield from works
            return
        while True:
            with _Stage(self, name):
                work = next(works, None)
            if work is None:
                return
            yield work


class _Stage:
    """Adds the time inside to a stage."""

    def __init__(self, run: _Run, name: str) -> None:
        self._run, self._name = run, name

    def __enter__(self) -> None:
        self._start = self._run.clock()

    def __exit__(self, *_: object) -> None:
        stages, spent = self._run.stages, self._run.clock() - self._start
        stages[self._name] = stages.get(self._name, 0.0) + spent


def distinct(inputs: Sequence[Input]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the first of each input `(m,)`, and for each input its place there `(n,)`."""
    places: dict[object, int] = {}
    first: list[int] = []
    inverse = np.empty(len(inputs), dtype=np.int64)
    keys = digests(inputs) if isinstance(inputs, Encoded) else map(_key, inputs)
    for position, key in enumerate(keys):
        place = places.setdefault(key, len(first))
        if place == len(first):
            first.append(position)
        inverse[position] = place
    return np.array(first, dtype=np.int64), inverse


def _key(item: Input) -> object:
    return item if isinstance(item, str) else item_digest(item)


def repeat(rows: NDArray[np.float32], source: NDArray[np.int64]) -> None:
    """Fill `rows` `(n, d)` that are copies of others, the `source` `(n,)` of each; a chunk at a
    time: they may be on a disk, and larger than memory."""
    copies = np.flatnonzero(source != np.arange(len(source)))
    for start in range(0, len(copies), CHUNK):
        some = copies[start : start + CHUNK]
        rows[some] = rows[source[some]]
