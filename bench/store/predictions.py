"""Per-item predictions beside a record: what paired statistics need, and no more.

A safetensors file (never a pickle): predicted and true class ids and the
probabilities of both, `(n,)` each, in the order of the test split; about 6 bytes an
item, so that 10,000 items stay under the 64 kB that a published record may take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from bench.core.errors import StoreError
from bench.core.predictions import ClassPredictions

SMALL = 256
"""Up to so many classes an id fits a byte."""


@dataclass(frozen=True, slots=True)
class Items:
    """Test items of one record, in test order: class ids `(n,)` and probabilities `(n,)`."""

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


def to_bytes(items: Items) -> bytes:
    """Serialise; probabilities are kept in half precision."""
    ids = np.uint8 if items.classes <= SMALL else np.uint16
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
        tensors = load(data)
        header = int.from_bytes(data[:8], "little")
        classes = int(_metadata(data[8 : 8 + header])["classes"])
        return Items(
            true=tensors["true"].astype(np.int64),
            predicted=tensors["predicted"].astype(np.int64),
            p_true=tensors["p_true"].astype(np.float32),
            p_predicted=tensors["p_predicted"].astype(np.float32),
            classes=classes,
        )
    except Exception as error:  # safetensors raises several kinds on a damaged file
        raise StoreError(f"{what}: the predictions are damaged ({error})") from error


def _metadata(header: bytes) -> dict[str, str]:
    import json

    found: dict[str, str] = json.loads(header)["__metadata__"]
    return found
