"""Peak memory: of this process by the kernel's own accounting, of a device by torch's."""

from __future__ import annotations

import contextlib
import gc
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure.allocator import give_back

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
SMALL_BYTES = 2**28
"""What may stay from one case to the next: to have memory again takes time, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Peak bytes since `reset_peak`; None is what there is not, or the system does not tell.

    `bytes_allocated` is what tensors took on the device at once, `bytes_reserved` what the
    allocator had taken for them: what another process could not have had.
    """

    bytes_resident: int | None
    bytes_allocated: int | None = None
    bytes_reserved: int | None = None


def reset_peak(device: str = "cpu", cuda: Any = None) -> None:
    """Start a new peak: of the resident set (Linux only), and of the device where it is CUDA.

    The resident set's by writing 5 to clear_refs (proc(5)). What allocators keep unused is given
    back first, where it is no small amount: else the peak is that of the case before, and tf-idf
    after a training seems to take gigabytes.

    Args:
        device: "cpu" or "cuda".
        cuda: `torch.cuda`, injected in tests.
    """
    _HEAP.give_back()
    with contextlib.suppress(OSError):  # elsewhere the peak is of the whole process
        _CLEAR.write_text("5")
    if device.startswith("cuda"):
        cuda = _cuda() if cuda is None else cuda
        cuda.init()  # without it there is nothing to reset, and torch raises
        cuda.synchronize(device)
        cuda.empty_cache()
        cuda.reset_peak_memory_stats(device)


def peak(device: str = "cpu", cuda: Any = None) -> Peak:
    """Peak memory since `reset_peak` of the same device."""
    if not device.startswith("cuda"):
        return Peak(bytes_resident=bytes_peak())
    cuda = _cuda() if cuda is None else cuda
    return Peak(
        bytes_resident=bytes_peak(),
        bytes_allocated=int(cuda.max_memory_allocated(device)),
        bytes_reserved=int(cuda.max_memory_reserved(device)),
    )


def bytes_peak() -> int | None:
    """Peak resident set in bytes since `reset_peak`, or None where the system does not tell."""
    return _told("VmHWM")


def _told(name: str) -> int | None:
    """Bytes that the kernel tells of this process under a name."""
    try:
        match = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


class _Heap:
    """Memory of the host that was freed and is kept; see `bench.measure.allocator`."""

    def __init__(self) -> None:
        self._resident = 0  # when it was last given back

    def give_back(self) -> None:
        if (_told("VmRSS") or 0) - self._resident >= SMALL_BYTES:
            gc.collect()  # a trained network and its optimiser hold each other
            give_back()
            self._resident = _told("VmRSS") or 0


_HEAP = _Heap()


def _cuda() -> Any:
    import torch

    return torch.cuda
