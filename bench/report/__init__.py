"""One HTML file that shows a run: derived from its records, and complete without a network."""

from __future__ import annotations

from pathlib import Path

from bench.report.gather import gather
from bench.report.page import page
from bench.store import Store, replace, uncollected

__all__ = ["FILE", "html", "write"]

FILE = "report.html"


def html(folder: str | Path) -> str:
    """The report of a run's or a published folder, byte for byte the same for the same records.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    with uncollected():
        return page(gather(Store(Path(folder))))


def write(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write the report, to `report.html` in the folder unless told otherwise; the file written.

    Raises:
        StoreError: as `html` does, or if the file cannot be written.
    """
    path = Path(folder) / FILE if out is None else Path(out)
    replace(path, html(folder).encode("utf-8"))
    return path
