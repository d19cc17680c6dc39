"""Whether there is room on the disks for a run, said before it begins and when it has run out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.core.errors import UserError

SLACK = 50_000_000
"""Bytes beyond the forecast: logs, tables, temporary files."""


def require_room(needed: Mapping[Path, int]) -> None:
    """Refuse a run that would fill a disk.

    Args:
        needed: bytes by folder; folders of one device share its room, and need not exist yet.

    Raises:
        UserError: naming the folder, and what is needed, free and missing.
    """
    by_device: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        there = existing(folder)
        device = there.stat().st_dev
        _, known = by_device.get(device, (there, 0))
        by_device[device] = folder, known + size
    for folder, size in by_device.values():
        free = shutil.disk_usage(existing(folder)).free
        if free < size + SLACK:
            raise UserError(
                f"{folder}: the run needs about {_mb(size + SLACK)} on this disk, "
                f"{_mb(free)} are free: {_mb(size + SLACK - free)} are missing"
            )


def ran_out(folder: Path, needed: int) -> str:
    """What to say when a disk is full: what is missing for what is still to be done."""
    free = shutil.disk_usage(existing(folder)).free
    missing = max(needed + SLACK - free, 0)
    words = f"about {_mb(missing)} are missing for the rest" if missing else "something was removed"
    return f"no room left on the disk of {folder}: {words}; the same command goes on"


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    found = folder.absolute()
    while not found.exists() and found != found.parent:
        found = found.parent
    return found


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
