"""Functions for several threads, compiled by numba and kept for later processes."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numba import cfunc, types
from numpy.typing import NDArray

from bench.backbones._cpu.lanes import LANES
from bench.core.identity import digest


def job_of(kind: np.dtype[Any], arrays: Mapping[str, NDArray[Any]], **numbers: int) -> Any:
    """A record of one `kind`: numbers, and of arrays where they begin, which must live as long."""
    job = np.zeros(1, dtype=kind)
    for name, array in arrays.items():
        job[name] = array.ctypes.data
    for name, number in numbers.items():
        job[name] = number
    return job


def version_of(*modules: ModuleType) -> int:
    """Of their texts, and of the registers that torch has been told of. A `body` that has this
    among its constants is compiled again when one changes: numba itself looks at the processor,
    and at the file alone that `body` is in."""
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules]
    return int(digest([str(LANES), *texts])[:12], 16)


def native(body: Callable[[Any], None]) -> Any:
    """`void body(void *)` as C calls it; its `address` is for `together` of `teams.py`.

    The first time on a machine takes seconds. It is kept for each kind of processor.
    """
    signature = types.void(types.voidptr)
    try:
        return cfunc(signature, cache=True, error_model="numpy")(body)
    except RuntimeError:  # nowhere to keep it
        return cfunc(signature, error_model="numpy")(body)
