"""Content-derived identity: canonical JSON and sha256.

Two configurations that mean the same give the same digest, whatever the order
of their keys; a changed byte of data, revision, seed or parameter gives another.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROTOCOL_VERSION = 1
"""Raised when the meaning of a score changes (splitting, tuning, scoring)."""


def canonical_json(value: Any) -> str:
    """Serialise to JSON with sorted keys, no spaces and no NaN.

    Raises:
        ValueError: if `value` holds NaN or Inf.
        TypeError: if `value` holds something JSON has no word for.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(value: Any) -> str:
    """sha256 (64 hex digits) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def item_digest(item: object) -> bytes:
    """16 bytes that name one input by its content.

    A text, an array with its shape and dtype, or what has a `content`: a tuple of such parts.

    Features are cached under this name, so that another draw, or another
    task with the same text, does not extract it again.

    Raises:
        TypeError: for an input of another kind.
    """
    hasher = hashlib.blake2b(digest_size=16)
    if isinstance(item, str):
        hasher.update(b"text\0")
        hasher.update(item.encode("utf-8", "surrogatepass"))
    elif isinstance(item, np.ndarray):
        hasher.update(f"array\0{item.dtype.str}\0{item.shape}\0".encode("ascii"))
        hasher.update(np.ascontiguousarray(item).tobytes())
    elif isinstance(content := getattr(item, "content", None), tuple):
        hasher.update(f"{type(item).__name__.lower()}\0".encode("ascii"))
        for part in content:
            hasher.update(item_digest(part))
    elif isinstance(item, int):
        hasher.update(f"number\0{item}".encode("ascii"))
    else:
        raise TypeError(f"an input is a text, an array or made of such, not {type(item).__name__}")
    return hasher.digest()


def derive_seed(*parts: object) -> int:
    """A 32-bit seed from any JSON-able parts, stable across machines and Python versions."""
    return int(digest([str(part) for part in parts])[:8], 16)


def generator(*parts: object) -> np.random.Generator:
    """A numpy generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(*parts))


def array_digest(array: NDArray[Any]) -> str:
    """sha256 of an array's dtype, shape and bytes."""
    hasher = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode("ascii"))
    hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()
