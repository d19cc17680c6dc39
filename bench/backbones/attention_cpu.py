"""Attention on a CPU: batched products, with powers of two over their sum in softmax's place.

Softmax takes the largest score off each row before it exponentiates, so that nothing can overflow,
and divides every weight; that was most of its time. The same answer comes from powers of two of
the scores as they are, whose product with the values alone is divided by their sum, as long as
no sum leaves the range in which floating point is as exact as anywhere. Every sum is looked at,
and texts with one that does leave it are attended again by softmax itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.backbones.attention import Group

if TYPE_CHECKING:
    from torch import Tensor

SCORES = 4 * 2**20
"""Bytes of scores at once. Half and twice that took up to 2 and 4 % longer end to end, a quarter
7 % (film reviews and news texts on two Zen 5 cores)."""
LANES = 16
"""Lengths in half precision with the same multiple of this above them share their products, where
starting one costs more than the columns left empty. In float32 it was the other way round. (Film
reviews and news texts on two Zen 5 cores.)"""
BITS = math.log2(math.e)
LEAST, MOST = 2.0**-100, 2.0**112
"""Sums between which powers of two are as exact as softmax's weights: float32 and bfloat16 have
normal numbers from 2^-126 to 2^128, so that no weight that matters beside such a sum was flushed
to zero, and products with values up to 2^15 are finite."""


@dataclass(frozen=True, slots=True)
class Part:
    """Texts that share their products: from token `start` on, with `room` rows and columns each."""

    start: int
    room: int
    groups: tuple[Group, ...]

    @property
    def texts(self) -> int:
        return sum(texts for texts, _ in self.groups)

    def slices(self) -> Iterator[tuple[slice, slice, int]]:
        """Of each group: its texts in the part, its tokens in the batch, and its length."""
        text, token = 0, self.start
        for texts, length in self.groups:
            yield slice(text, text + texts), slice(token, token + texts * length), length
            text, token = text + texts, token + texts * length


def parts_of(groups: Sequence[Group], heads: int, lanes: int, most: int) -> list[Part]:
    """Divide texts so that a part has at most so many scores, or one text.

    Lengths with the same multiple of `lanes` above them may share a part.
    """
    found: list[Part] = []
    start = 0
    for texts, length in groups:
        room = -(-length // lanes) * lanes
        fit = max(1, most // (heads * room**2))
        for first in range(0, texts, fit):
            some = min(fit, texts - first)
            last = found[-1] if found else None
            if last and last.room == room and last.texts + some <= fit:
                found[-1] = Part(last.start, room, (*last.groups, (some, length)))
            else:
                found.append(Part(start, room, ((some, length),)))
            start += some * length
    return [
        Part(part.start, part.groups[0][1], part.groups) if len(part.groups) == 1 else part
        for part in found
    ]


class ByProducts:
    """Attention over the texts of one batch, layer after layer, as `by_length` gives it.

    What it gives is overwritten by its next call: memory is allocated once a batch.
    """

    def __init__(
        self, groups: Sequence[Group], heads: int, biases: Sequence[Tensor | None], like: Tensor
    ) -> None:
        """`biases` are added to the scores of `groups`; `like` `(any, d)` has type and width."""
        import torch

        most = SCORES // like.itemsize
        biased = any(bias is not None for bias in biases)
        lanes = LANES if like.itemsize == 2 and not biased else 1
        added = {length: bias for (_, length), bias in zip(groups, biases, strict=True)}
        parts = parts_of(groups, heads, lanes, most)
        rows = [part.texts * heads * part.room for part in parts]
        self._out = like.new_empty(sum(texts * length for texts, length in groups), like.shape[1])
        self._sums = like.new_empty(sum(rows))
        largest = max(n * part.room for n, part in zip(rows, parts, strict=True))
        scores = like.new_empty(max(min(largest, most), *(part.room**2 for part in parts)))
        self._parts = [
            _Products(part, heads, added.get(part.room), self._out, scores, sums)
            for part, sums in zip(parts, torch.split(self._sums, rows), strict=True)
        ]
        self._narrow = like.dtype == torch.float16  # exponents of five bits

    def __call__(self, mixed: Tensor) -> Tensor:
        if self._narrow:
            return self.exactly(mixed)
        for part in self._parts:
            part(mixed)
        if not _sound(self._sums):
            for part in self._parts:
                if not _sound(part.sums):
                    part(mixed, exactly=True)
        return self._out

    def exactly(self, mixed: Tensor) -> Tensor:
        """The same by softmax, whatever the scores and the values."""
        for part in self._parts:
            part(mixed, exactly=True)
        return self._out


def _sound(sums: Tensor) -> bool:
    least, most = sums.aminmax()
    return least.item() > LEAST and most.item() < MOST  # neither is true of NaN


class _Products:
    """The products of one part: views of memory that all parts share, made once a batch."""

    def __init__(
        self,
        part: Part,
        heads: int,
        bias: Tensor | None,
        out: Tensor,
        scores: Tensor,
        sums: Tensor,
    ) -> None:
        self.sums = sums
        self._part, self._heads, self._bias = part, heads, bias
        texts, room, width = part.texts, part.room, out.shape[1] // heads
        self._scale = width**-0.5
        at_once = min(texts * heads, len(scores) // room**2)  # all, or some heads of one text
        self._some = [
            slice(i, min(i + at_once, texts * heads)) for i in range(0, texts * heads, at_once)
        ]
        self._scores = scores[: at_once * room**2].view(at_once, room, room)
        self._seen = out.new_empty(texts * heads, room, width)
        seen = self._seen.view(texts, heads, room, width)
        by = sums.view(texts, heads, room, 1)
        self._ends = [
            (
                seen[of, :, :length],
                by[of, :, :length],
                out[tokens].view(-1, length, heads, width).transpose(1, 2),
            )
            for of, tokens, length in part.slices()
        ]
        self._filled, self._begins, self._beyond = None, [], []
        if len(part.groups) > 1:  # zero where texts have ended, from layer to layer
            filled = out.new_zeros(3, texts, heads, room, width)
            every = self._scores.view(texts, heads, room, room)
            self._filled = filled.view(3, texts * heads, room, width)
            self._begins = [
                (tokens, filled[:, of, :, :length]) for of, tokens, length in part.slices()
            ]
            self._beyond = [
                every[of, :, :, length:] for of, _, length in part.slices() if length < room
            ]

    def __call__(self, mixed: Tensor, *, exactly: bool = False) -> None:
        """Write what each token of the part has seen to its place among the batch's."""
        import torch

        q, k, v = self._split(mixed).unbind(0)
        nothing, room = q.new_empty(1, 1, 1), self._part.room
        unit = 1.0 if exactly else BITS
        for some in self._some:
            of = self._scores[: some.stop - some.start]
            keys = k[some].transpose(1, 2)
            torch.baddbmm(nothing, q[some], keys, beta=0, alpha=self._scale * unit, out=of)
            if self._bias is not None:
                bias = self._bias[0, some]
                of.view(-1, *bias.shape).add_(bias, alpha=unit)
            if not exactly:
                of.exp2_()
            for columns in self._beyond:
                columns.fill_(float("-inf") if exactly else 0.0)
            if exactly:
                of = of.softmax(dim=-1)
            else:
                torch.sum(of, dim=-1, out=self.sums.view(-1, room)[some])
            torch.bmm(of, v[some], out=self._seen[some])
        for seen, by, to in self._ends:
            to.copy_(seen) if exactly else torch.div(seen, by, out=to)

    def _split(self, mixed: Tensor) -> Tensor:
        """Query, key and value `(3, texts * heads, room, w)`."""
        part, heads = self._part, self._heads
        if self._filled is None:
            of = mixed[part.start :][: part.texts * part.room]
            of = of.view(part.texts, part.room, 3, heads, -1).permute(2, 0, 3, 1, 4)
            return of.reshape(3, part.texts * heads, part.room, -1)
        for tokens, to in self._begins:
            of = mixed[tokens].view(to.shape[1], to.shape[3], 3, heads, -1)
            to.copy_(of.permute(2, 0, 3, 1, 4))
        return self._filled
