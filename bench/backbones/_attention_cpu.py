"""Attention on a CPU: one compiled loop over the texts of a batch and their heads, on all threads.

Scores of a block of queries stay in the cache from their product with the keys until their weights
have been multiplied with the values; nothing but query, key, value and what was seen is read or
written elsewhere. Sums are in float32, whatever the precision of the model.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import carray, cfunc, types
from numpy.typing import NDArray

from bench.backbones import _attention_loop, _lanes
from bench.backbones._attention_loop import BITS, BLOCK, attend, room_of
from bench.backbones._lanes import pointer, ticket
from bench.backbones._teams import together
from bench.core.identity import digest

if TYPE_CHECKING:
    from torch import Tensor

TEXTS = 8
"""Texts for each thread from which a thread takes a whole text at a time: a text's heads stand
side by side in memory. Of fewer texts threads share the heads."""

FIELDS = (
    *("part", "thread"),  # counters: the next part of the work, and the next thread
    *("mixed", "out", "starts", "lengths", "relative", "work"),  # addresses
    *("tokens", "texts", "heads", "width", "longest", "shares", "room"),
)
JOB = np.dtype([(name, np.int64) for name in FIELDS])


class Attending:
    """Attention over the texts of one batch, layer after layer, as `by_length` gives it.

    What it gives is overwritten by its next call: memory is allocated once a batch.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        heads: int,
        like: Tensor,
        relative: NDArray[np.float32] | None = None,
    ) -> None:
        """Of texts of so many tokens, in order.

        `like` `(any, d)` has the model's type and width. `relative` `(heads, 2 m - 1)` is added to
        the scores of queries that stand from `1 - m` to `m - 1` tokens behind a key; m is at least
        the longest length.
        """
        import torch

        width, longest = like.shape[1] // heads, int(lengths.max())
        threads = torch.get_num_threads()
        self._out = like.new_empty(int(lengths.sum()), like.shape[1])
        room = room_of(longest, width)
        table = np.zeros(0, dtype=np.float32)
        if relative is not None:  # in powers of two; a block may reach beyond the end
            table = np.pad(relative * np.float32(BITS), ((0, 0), (0, BLOCK)))
        lengths = np.ascontiguousarray(lengths, dtype=np.int64)
        arrays = {
            "starts": np.cumsum(lengths) - lengths,
            "lengths": lengths,
            "relative": table,
            "work": torch.empty(threads * room).numpy(),  # from the beginning of a cache line
        }
        job = np.zeros(1, dtype=JOB)
        for name, array in arrays.items():
            job[name] = array.ctypes.data
        job["out"], job["tokens"], job["texts"] = self._out.data_ptr(), len(self._out), len(lengths)
        job["heads"], job["width"], job["room"] = heads, width, room
        job["longest"] = 0 if relative is None else (relative.shape[1] + 1) // 2
        job["shares"] = 1 if len(lengths) >= TEXTS * threads else heads
        self._job, self._arrays, self._threads = job, arrays, threads
        self._body = body_of(half=like.dtype == torch.bfloat16)

    def __call__(self, mixed: Tensor) -> Tensor:
        """What each token has seen `(t, d)`, of its query, key and value `(t, 3 d)`."""
        mixed = mixed.contiguous()
        self._job["mixed"], self._job["part"], self._job["thread"] = mixed.data_ptr(), 0, 0
        together(self._body.address, self._job.ctypes.data, self._threads)
        return self._out


@lru_cache
def body_of(*, half: bool) -> Any:
    """The compiled `void body(JOB *)`; `half` says that the model's type is bfloat16.

    The first time on a machine takes seconds. numba keeps what it compiled with this file, for each
    kind of processor and until the file changes; that another one changed is seen by `version`.
    """
    stored = np.uint16 if half else np.float32
    texts = [Path(str(of.__file__)).read_text(encoding="utf-8") for of in (_lanes, _attention_loop)]
    version = int(digest(texts)[:12], 16)

    def body(data: Any) -> None:
        _ = version
        job, counters = carray(data, (1,), JOB)[0], carray(data, (2,), np.int64)
        of_all = job.tokens * job.heads * job.width
        mixed = carray(pointer(job.mixed), (3 * of_all,), stored)
        out = carray(pointer(job.out), (of_all,), stored)
        starts = carray(pointer(job.starts), (job.texts,), np.int64)
        lengths = carray(pointer(job.lengths), (job.texts,), np.int64)
        stride = 2 * job.longest - 1 + BLOCK
        relative = carray(pointer(job.relative), (job.heads * stride,), np.float32)
        own = job.work + 4 * job.room * ticket(counters, 1)
        work = carray(pointer(own), (job.room,), np.float32)
        each = job.heads // job.shares
        part = ticket(counters, 0)
        while part < job.texts * job.shares:
            text, share = part // job.shares, part % job.shares
            for head in range(share * each, (share + 1) * each):
                middle = head * stride + job.longest - 1 if job.longest else -1
                ahead = head + 1 < (share + 1) * each
                at = starts[text], lengths[text]
                attend(mixed, out, work, relative, middle, at, head, job.heads, job.width, ahead)
            part = ticket(counters, 0)

    signature = types.void(types.voidptr)
    try:
        return cfunc(signature, cache=True, error_model="numpy")(body)
    except RuntimeError:  # nowhere to keep it
        return cfunc(signature, error_model="numpy")(body)
