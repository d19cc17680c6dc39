"""The one place that seeds, and that asks libraries to compute the same way every time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from bench.core.cell import Cell
from bench.core.identity import derive_seed


def seed_everything(cell: Cell) -> int:
    """Seed python, numpy, torch and CUDA for one cell, and return its seed."""
    import torch

    seed = derive_seed("cell", cell.seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- libraries still use the global state
    torch.manual_seed(seed)  # every CUDA device's, too
    return seed


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch compute by deterministic algorithms alone; what has none raises RuntimeError.

    https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    if not wanted:
        yield
        return
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


def environment(wanted: bool) -> Mapping[str, str]:
    """What a worker's environment needs before CUDA starts: a fixed workspace of cuBLAS."""
    return {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if wanted else {}
