"""Per-item predictions beside a record: what paired statistics need, and no more.

A safetensors file (never a pickle): predicted and true class ids and the
probabilities of both, `(n,)` each, in the order of the test split; about 6 bytes an
item, so that 10,000 items stay under the 64 kB that a published record may take.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from bench.core.errors import StoreError
from bench.core.metrics import several_values
from bench.core.predictions import ClassPredictions
from bench.core.transcripts import Edits, accuracy_values

TRANSCRIPTS = 0
"""Classes of items that have none: counts of words stand there."""
SMALL = 256
"""Up to so many classes an id fits a byte."""

_PREFIX = 8
_TENSORS = ("true", "predicted", "p_true", "p_predicted")
_KINDS: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
}


@dataclass(frozen=True, slots=True)
class Items:
    """Test items of one record, in test order: class ids `(n,)` and probabilities `(n,)`.

    Of a transcription (`classes` is 0): words of the references, word errors, characters of the
    references, character errors, in this order.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    p_true: NDArray[np.float32]
    p_predicted: NDArray[np.float32]
    classes: int

    def __len__(self) -> int:
        return len(self.true)


def items_of(predictions: ClassPredictions, true: NDArray[np.int64]) -> Items:
    """Reduce full probabilities `(n, k)` to what is published."""
    rows = np.arange(len(true))
    predicted = predictions.classes
    return Items(
        true=true,
        predicted=predicted,
        p_true=predictions.probabilities[rows, true],
        p_predicted=predictions.probabilities[rows, predicted],
        classes=predictions.probabilities.shape[1],
    )


def items_of_edits(found: Edits) -> Items:
    """What is published of transcripts: counts, never texts."""
    chars, errors = found.chars.astype(np.float32), found.char_errors.astype(np.float32)
    return Items(found.words, found.word_errors, chars, errors, TRANSCRIPTS)


def values_of(metrics: Sequence[str], items: Items) -> list[NDArray[np.float64]]:
    """Per-item values `(n,)` of several metrics, by the kind of items.

    Raises:
        UserError: if no metric has one of the names.
    """
    if items.classes != TRANSCRIPTS:
        return several_values(metrics, items.true, items.predicted, items.classes)
    sides = {
        "word_accuracy": (items.predicted, items.true),
        "char_accuracy": (items.p_predicted.astype(np.int64), items.p_true.astype(np.int64)),
    }
    return [accuracy_values(*sides[metric]) for metric in metrics]


def to_bytes(items: Items) -> bytes:
    """Serialise; probabilities are kept in half precision."""
    ids = np.uint8 if TRANSCRIPTS < items.classes <= SMALL else np.uint16
    return bytes(
        save(
            {
                "true": items.true.astype(ids),
                "predicted": items.predicted.astype(ids),
                "p_true": items.p_true.astype(np.float16),
                "p_predicted": items.p_predicted.astype(np.float16),
            },
            metadata={"classes": str(items.classes)},
        )
    )


def from_bytes(data: bytes, what: str) -> Items:
    """Read what `to_bytes` wrote.

    Raises:
        StoreError: if the bytes are damaged; `what` names them.
    """
    try:
        start = _PREFIX + int.from_bytes(data[:_PREFIX], "little")
        layout = _layout(data[_PREFIX:start])
        if len(data) != start + layout.size:
            raise ValueError(f"{len(data)} bytes, not {start + layout.size}")  # noqa: TRY301
        true, predicted, p_true, p_predicted = (
            np.frombuffer(data, kind, layout.items, start + at) for kind, at in layout.tensors
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{what}: the predictions are damaged ({error})") from error
    return Items(
        true=true.astype(np.int64),
        predicted=predicted.astype(np.int64),
        p_true=p_true.astype(np.float32),
        p_predicted=p_predicted.astype(np.float32),
        classes=layout.classes,
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tensors of a file stand, in the order of `_TENSORS`, and how long its data are."""

    tensors: tuple[tuple[np.dtype[Any], int], ...]
    items: int
    size: int
    classes: int


@lru_cache(maxsize=256)
def _layout(header: bytes) -> _Layout:
    """What a header says; files of one task have the same one, byte for byte.

    The format (https://github.com/huggingface/safetensors#format) is a length, JSON and
    data without holes. Read here: the library takes as long for each as all the rest.

    Raises:
        ValueError: if it is not the header of what `to_bytes` writes, or a tensor is not where
            it can be.
    """
    plain = json.loads(header)
    classes = int(plain.pop("__metadata__")["classes"])
    tensors, spans, lengths = [], [], set()
    for name in _TENSORS:
        entry = plain.pop(name)
        kind = _KINDS[entry["dtype"]]
        (items,), (first, last) = entry["shape"], entry["data_offsets"]
        if last - first != items * kind.itemsize:
            raise ValueError(f"{name} has {last - first} bytes for {items} items")
        tensors.append((kind, first))
        spans.append((first, last))
        lengths.add(items)
    ends = [0, *(last for _, last in sorted(spans))]
    if plain or len(lengths) > 1 or [first for first, _ in sorted(spans)] != ends[:-1]:
        raise ValueError("its header is not one of predictions")
    return _Layout(tuple(tensors), lengths.pop(), ends[-1], classes)
