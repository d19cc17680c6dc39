"""Peak memory of this process, from the kernel's own accounting."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Start a new peak of the resident set (proc(5): writing 5 to clear_refs); Linux only."""
    with contextlib.suppress(OSError):  # elsewhere the peak is of the whole process
        _CLEAR.write_text("5")


def bytes_peak() -> int | None:
    """Peak resident set in bytes since `reset_peak`, or None where the system does not tell."""
    try:
        match = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None
