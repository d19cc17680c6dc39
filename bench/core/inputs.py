"""Inputs that are not all in memory: encoded, and decoded when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from bench.core.identity import item_digest


class Encoded(Sequence[Any]):
    """Inputs of which each is decoded when it is asked for, so that not all need fit into memory.

    A slice, like `take`, is of the same kind: nothing is decoded for it.
    """

    @abstractmethod
    def one(self, index: int) -> Any:
        """The input at `index`, decoded."""

    @abstractmethod
    def digest(self, index: int) -> bytes:
        """What names the input at `index` (`item_digest`)."""

    @abstractmethod
    def take(self, indices: NDArray[np.int64]) -> Encoded:
        """The inputs at `indices` `(m,)`, in that order, still encoded."""

    def present(self) -> NDArray[np.bool_]:
        """Which inputs `(n,)` are there: what is encoded is."""
        return np.ones(len(self), dtype=np.bool_)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Encoded: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        place = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self.one(place)


class Chained(Encoded):
    """Several sequences one after another."""

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _at(self, index: int) -> tuple[Sequence[Any], int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._parts[number], index - int(self._ends[number - 1] if number else 0)

    def one(self, index: int) -> Any:
        part, place = self._at(index)
        return part[place]

    def digest(self, index: int) -> bytes:
        part, place = self._at(index)
        return part.digest(place) if isinstance(part, Encoded) else item_digest(part[place])

    def present(self) -> NDArray[np.bool_]:
        return np.concatenate([np.zeros(0, dtype=np.bool_), *map(present, self._parts)])

    def take(self, indices: NDArray[np.int64]) -> Encoded:
        return Taken(self, np.asarray(indices, dtype=np.int64))


class Taken(Encoded):
    """Some of other inputs, by their positions."""

    def __init__(self, of: Encoded, indices: NDArray[np.int64]) -> None:
        self._of, self._indices = of, indices

    def __len__(self) -> int:
        return len(self._indices)

    def one(self, index: int) -> Any:
        return self._of.one(int(self._indices[index]))

    def digest(self, index: int) -> bytes:
        return self._of.digest(int(self._indices[index]))

    def present(self) -> NDArray[np.bool_]:
        return self._of.present()[self._indices]

    def take(self, indices: NDArray[np.int64]) -> Encoded:
        return Taken(self._of, self._indices[indices])


def taken(inputs: Sequence[Any], indices: NDArray[np.int64]) -> Sequence[Any]:
    """The inputs at `indices` `(m,)`, in that order; what is encoded stays so."""
    if isinstance(inputs, Encoded):
        return inputs.take(np.asarray(indices, dtype=np.int64))
    return [inputs[i] for i in indices]


def chained(*parts: Sequence[Any]) -> Sequence[Any]:
    """Inputs one after another; what is encoded stays so."""
    if any(isinstance(part, Encoded) for part in parts):
        return Chained(parts)
    return [item for part in parts for item in part]


def digests(inputs: Sequence[Any]) -> list[bytes]:
    """What names each of the inputs: `bench.core.identity.item_digest`."""
    if isinstance(inputs, Encoded):
        return [inputs.digest(i) for i in range(len(inputs))]
    return [item_digest(item) for item in inputs]


def present(inputs: Sequence[Any]) -> NDArray[np.bool_]:
    """Which inputs `(n,)` are there; a missing one is None."""
    if isinstance(inputs, Encoded):
        return inputs.present()
    return np.array([item is not None for item in inputs], dtype=np.bool_)
