"""Tables derived from records, and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.store import Store, replace, uncollected
from bench.tables.board import Board, board
from bench.tables.frame import frame, frame_of
from bench.tables.render import FILES, Format, render
from bench.tables.views import of_break_even, of_budget, of_ledger, of_robustness, render_view

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Board",
    "Format",
    "board",
    "break_even",
    "budget_curve",
    "frame",
    "frame_of",
    "leaderboard",
    "ledger",
    "render",
    "robustness",
    "table",
    "write_tables",
]


def leaderboard(folder: str | Path) -> pd.DataFrame:
    """The results in a run's folder, one row per (task, backbone, method, control).

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    return frame(Store(Path(folder)))


def table(folder: str | Path, format: str = "md") -> str:  # noqa: A002 -- the word that users say
    """The results in a run's folder as `md`, `csv`, `latex` or `json`.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: if there is no such format.
    """
    with uncollected():
        return render(board(Store(Path(folder))), format)


def budget_curve(folder: str | Path, format: str = "md") -> str:  # noqa: A002
    """Scores after each trial, as `md` or `json`.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: for another format.
    """
    store = Store(Path(folder))
    return render_view(of_budget(store), store.suite(), format)


def break_even(folder: str | Path, first: str, second: str, format: str = "md") -> str:  # noqa: A002
    """From how many labels on one of two entrants is better, and its price, as `md` or `json`.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: if a name is of no entrant or of several, no task has a curve of both, or
            for another format.
    """
    store = Store(Path(folder))
    return render_view(of_break_even(store, first, second), store.suite(), format)


def ledger(folder: str | Path, format: str = "md") -> str:  # noqa: A002
    """What each entrant's cells cost, as `md` or `json`.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: for another format.
    """
    store = Store(Path(folder))
    return render_view(of_ledger(store), store.suite(), format)


def robustness(folder: str | Path, format: str = "md") -> str:  # noqa: A002
    """What each entrant loses where its test inputs are changed, as `md` or `json`.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: if no test inputs are changed, or for another format.
    """
    store = Store(Path(folder))
    return render_view(of_robustness(store), store.suite(), format)


def write_tables(folder: str | Path) -> list[Path]:
    """Write the results of a run's folder into it, in every format; the files written.

    Raises:
        StoreError: if the folder holds no run, a file is damaged, or cannot be written.
    """
    found = board(Store(Path(folder)))
    paths = []
    for kind, name in FILES.items():
        path = Path(folder) / name
        replace(path, render(found, kind).encode("utf-8"))
        paths.append(path)
    return paths
