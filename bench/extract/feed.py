"""Batches on their way to the device: made ready on the host, ahead of the device on CUDA."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

AHEAD = 4
"""Batches that wait at most: enough to hide the host, and few enough to bound pinned memory."""

Item = TypeVar("Item")


@dataclass(slots=True)
class Work:
    """One batch: positions of its items among the prepared ones, and its tensors on the host."""

    prepared: Any
    indices: NDArray[np.int64]  # (b,) into `prepared`
    offset: int  # of `prepared` among all distinct items
    batch: Any = field(repr=False)


def feed(batches: Iterable[Item], *, threaded: bool) -> Iterator[Item]:
    """The batches in order; `threaded`: a thread makes up to `AHEAD` of them in advance.

    An error in the thread is raised here, in its turn.
    """
    if not threaded:
        yield from batches
        return
    making, end = iter(batches), object()
    with ThreadPoolExecutor(1, thread_name_prefix="bench-feed") as thread:
        waiting = deque(thread.submit(next, making, end) for _ in range(AHEAD))
        while (made := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, making, end))
            yield cast("Item", made)


def over_tensors(batch: Any, change: Callable[[Any], Any]) -> Any:
    """`batch` (a tensor, or a mapping with some) with its tensors changed."""
    if isinstance(batch, dict):
        return {key: over_tensors(value, change) for key, value in batch.items()}
    return change(batch) if hasattr(batch, "untyped_storage") else batch


def pinned(batch: Any) -> Any:
    """`batch` in page-locked memory, from where copies need not wait."""
    return over_tensors(batch, lambda tensor: tensor.pin_memory())


class Mover:
    """Puts batches on the device: at once on the CPU, on a second stream on CUDA.

    There the host is ahead of the device: while that computes one batch, which has waited for its
    own copy alone, the copy of the next begins.
    """

    def __init__(self, device: str, cuda: Any = None) -> None:
        self.device = device
        self._cuda = cuda
        if device.startswith("cuda"):
            import torch

            self._cuda = cuda or torch.cuda
            self._stream = self._cuda.Stream()

    def moved(self, works: Iterable[Work]) -> Iterator[tuple[Work, Any]]:
        """Each batch with its tensors on the device."""
        for work in works:
            yield work, work.batch if self._cuda is None else self._copied(work.batch)

    def _copied(self, batch: Any) -> Any:
        """A batch that the second stream copies, for the first one to use when it is there."""
        with self._cuda.stream(self._stream):
            copied = over_tensors(batch, lambda t: t.to(self.device, non_blocking=True))
        current = self._cuda.current_stream()
        current.wait_stream(self._stream)
        return over_tensors(copied, lambda tensor: tensor.record_stream(current) or tensor)
