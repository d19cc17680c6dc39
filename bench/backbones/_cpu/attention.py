"""Attention on a CPU: one compiled loop over the texts of a batch and their heads, on all threads.

Scores of a block of queries stay in the cache from their product with the keys until their weights
have been multiplied with the values; nothing but query, key, value and what was seen is read or
written elsewhere. Sums are in float32, whatever the precision of the model.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import carray, config
from numpy.typing import NDArray

from bench.backbones._cpu import head_by_lanes, head_by_tiles, lanes, tiles
from bench.backbones._cpu.compiling import job_of, native, version_of
from bench.backbones._cpu.head_by_lanes import BITS, BLOCK
from bench.backbones._cpu.lanes import pointer, ticket
from bench.backbones._cpu.teams import together
from bench.backbones._cpu.tiles import SIDE, configure, release
from bench.backbones.loops import have_tiles

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
        self._body, room_of = body_for(like.dtype, width)
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
        job = job_of(JOB, arrays, heads=heads, width=width, room=room)
        job["out"], job["tokens"], job["texts"] = self._out.data_ptr(), len(self._out), len(lengths)
        job["longest"] = 0 if relative is None else (relative.shape[1] + 1) // 2
        job["shares"] = 1 if len(lengths) >= TEXTS * threads else heads
        self._job, self._arrays, self._threads = job, arrays, threads

    def __call__(self, mixed: Tensor) -> Tensor:
        """What each token has seen `(t, d)`, of its query, key and value `(t, 3 d)`."""
        mixed = mixed.contiguous()
        self._job["mixed"], self._job["part"], self._job["thread"] = mixed.data_ptr(), 0, 0
        together(self._body.address, self._job.ctypes.data, self._threads)
        return self._out


def body_for(dtype: Any, width: int) -> tuple[Any, Callable[[int, int], int]]:
    """What is compiled for heads of this width, and how much of `work` a text of so many tokens
    needs in it."""
    import torch

    half = dtype == torch.bfloat16
    told = config.CPU_NAME or config.CPU_FEATURES  # another processor, for numba to compile for
    tiled = half and width % SIDE == 0 and not told and have_tiles()
    room_of = (head_by_tiles if tiled else head_by_lanes).room_of
    return body_of(half=half, tiled=tiled), room_of


@lru_cache
def body_of(*, half: bool, tiled: bool) -> Any:
    """The compiled `void body(JOB *)`; `half` says that the model's type is bfloat16, `tiled` that
    its products are the processor's tiles'. What a constant excludes numba does not compile.
    """
    stored = np.uint16 if half else np.float32
    taken, packed = (np.float32, 2) if tiled else (stored, 1)
    version = version_of(head_by_lanes, head_by_tiles, lanes, tiles)

    def body(data: Any) -> None:
        _ = version
        job, counters = carray(data, (1,), JOB)[0], carray(data, (2,), np.int64)
        of_all = job.tokens * job.heads * job.width
        mixed = carray(pointer(job.mixed), (3 * of_all // packed,), taken)
        out = carray(pointer(job.out), (of_all,), stored)
        starts = carray(pointer(job.starts), (job.texts,), np.int64)
        lengths = carray(pointer(job.lengths), (job.texts,), np.int64)
        stride = 2 * job.longest - 1 + BLOCK
        relative = carray(pointer(job.relative), (job.heads * stride,), np.float32)
        own = job.work + 4 * job.room * ticket(counters, 1)
        work = carray(pointer(own), (job.room,), np.float32)
        each = job.heads // job.shares
        if tiled:
            configure()
        part = ticket(counters, 0)
        while part < job.texts * job.shares:
            text, share = part // job.shares, part % job.shares
            for head in range(share * each, (share + 1) * each):
                middle = head * stride + job.longest - 1 if job.longest else -1
                ahead = head + 1 < (share + 1) * each
                at = starts[text], lengths[text]
                given = mixed, out, work, relative, middle, at, head, job.heads, job.width, ahead
                if tiled:
                    head_by_tiles.attend(*given)
                else:
                    head_by_lanes.attend(*given)
            part = ticket(counters, 0)
        if tiled:
            release()

    return native(body)
