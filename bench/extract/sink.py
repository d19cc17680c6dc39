"""Where pooled features gather on the device, and go back from in one copy a chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Sink:
    """Features of `n` items on the host, `(n, width)` float32, from batches in any order.

    `places` `(n,)` are the rows of `out` that they go to, where these are not the first `n`.
    """

    def __init__(
        self,
        n: int,
        room: int,
        out: NDArray[np.float32] | None,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        self.features, self._places = out, places
        self._n, self._room = n, min(room, n)
        self._buffer: Any = None
        self._rows: list[NDArray[np.int64]] = []
        self._filled = 0

    def add(self, rows: NDArray[np.int64], pooled: Any) -> None:
        """Keep the features `(b, width)` of the items `rows`; nothing waits for the device."""
        if self._buffer is None:
            self._buffer = pooled.new_empty((self._room, pooled.shape[1]), dtype=_float32())
        if self._filled + len(rows) > len(self._buffer):
            self.flush()
        self._buffer[self._filled : self._filled + len(rows)] = pooled
        self._rows.append(rows)
        self._filled += len(rows)

    def flush(self) -> None:
        """Copy what has gathered to the host, into its places."""
        if not self._filled:
            return
        found = self._buffer[: self._filled].cpu().numpy()
        if self.features is None:
            self.features = np.empty((self._n, found.shape[1]), dtype=np.float32)
        rows = np.concatenate(self._rows)
        self.features[rows if self._places is None else self._places[rows]] = found
        self._rows, self._filled = [], 0


def _float32() -> Any:
    import torch

    return torch.float32
