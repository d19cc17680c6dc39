"""The files of both caches: written whole, and taken in only where they hold what they should."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load


def write(folder: Path, name: str, data: bytes) -> None:
    """Put a file into `folder`, whole or not at all.

    Raises:
        OSError: if there is no room or no permission.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, folder / name)  # noqa: PTH105
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def tensors(data: bytes, names: AbstractSet[str]) -> dict[str, NDArray[Any]] | None:
    """The tensors of safetensors bytes, or None where they are not exactly `names`."""
    try:
        found = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None
    return found if found.keys() == names else None
