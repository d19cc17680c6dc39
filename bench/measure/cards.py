"""Which GPUs there are, told without importing torch."""

from __future__ import annotations

import os
from pathlib import Path

_CARDS = Path("/proc/driver/nvidia/gpus")
"""One folder a card: https://download.nvidia.com/XFree86/Linux-x86_64/550.54.14/README/procinterface.html"""


def gpus() -> list[str]:
    """Names of the visible cards as `CUDA_VISIBLE_DEVICES` takes them; empty where there are none.

    The worker, which has torch, has the last word.
    """
    try:
        count = sum(1 for _ in _CARDS.iterdir())
    except OSError:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(i) for i in range(count)]
    return [name for name in visible.split(",") if name.strip() not in {"", "-1"}]
