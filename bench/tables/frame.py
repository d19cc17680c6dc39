"""The leaderboard as a data frame: one row per (task, backbone, method, control)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.stats import Estimate
from bench.store import Store
from bench.tables.board import Board, board
from bench.tables.rows import Row

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "task", "train", "modality", "backbone", "method", "control",
    "metric", "value", "low", "high", "covers", "n", "draws", "labels",
    "share_draw", "share_seed", "share_item", "share_rest",
    "macro_f1", "macro_f1_low", "macro_f1_high", "kappa", "kappa_low", "kappa_high",
    "char_accuracy", "char_accuracy_low", "char_accuracy_high",
    "rank", "behind", "behind_low", "behind_high", "front",
    "throughput", "seconds", "parameters", "bytes_peak", "bytes_peak_device",
    "trials", "trials_budget",
    "status", "complete", "device", "device_name", "precision", "run_ids",
)  # fmt: skip
"""The frame's columns. `throughput` is in items per second, `n` counts test items; `behind` is
the paired difference from the first ranked row of the problem, its interval not adjusted.
`macro_f1` and `kappa` are of classes, `char_accuracy` of transcripts.
`share_*` are the parts of the variance of `value` (`bench.stats.Shares`), where draws have several
seeds. `front` is whether no row on the front dominates it (`bench.tables.front`)."""

_WHOLE = (
    "n", "draws", "rank", "parameters", "bytes_peak", "bytes_peak_device",
    "trials", "trials_budget",
)  # fmt: skip
_REAL = (
    "value", "low", "high", "share_draw", "share_seed", "share_item", "share_rest",
    "macro_f1", "macro_f1_low", "macro_f1_high",
    "kappa", "kappa_low", "kappa_high",
    "char_accuracy", "char_accuracy_low", "char_accuracy_high",
    "behind", "behind_low", "behind_high",
    "throughput", "seconds",
)  # fmt: skip


def frame(store: Store) -> pd.DataFrame:
    """The leaderboard of a store; failed cells are rows too, and nothing is imputed."""
    return frame_of(board(store))


def frame_of(found: Board) -> pd.DataFrame:
    """A board's rows as a frame; whole numbers are nullable: a missing one stays missing."""
    import pandas as pd

    table = pd.DataFrame([plain(row) for row in found.rows], columns=list(COLUMNS))
    kinds: dict[str, Any] = {
        **dict.fromkeys(_WHOLE, "Int64"),
        **dict.fromkeys(_REAL, "float64"),
        "complete": bool,
        "front": bool,
    }
    return table.astype(kinds)


def plain(row: Row) -> dict[str, Any]:
    """One row by column."""
    spent, value, behind = row.costs, row.value, row.behind
    return {
        "task": row.problem.task,
        "train": row.problem.train,
        "modality": row.problem.modality,
        "backbone": row.backbone,
        "method": row.method,
        "control": row.control,
        "metric": row.problem.metric,
        "value": value.mean if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "covers": value.covers.value if value else None,
        "n": value.items if value else None,
        "draws": value.draws if value else 0,
        "labels": row.labels,
        "share_draw": row.shares.draw if row.shares else None,
        "share_seed": row.shares.seed if row.shares else None,
        "share_item": row.shares.item if row.shares else None,
        "share_rest": row.shares.rest if row.shares else None,
        **_three("macro_f1", row.macro_f1),
        **_three("kappa", row.kappa),
        **_three("char_accuracy", row.char_accuracy),
        "rank": row.rank,
        "behind": behind.difference if behind else None,
        "behind_low": behind.low if behind else None,
        "behind_high": behind.high if behind else None,
        "front": row.front,
        "throughput": spent.items_per_second,
        "seconds": spent.seconds,
        "parameters": spent.parameters,
        "bytes_peak": spent.bytes_peak,
        "bytes_peak_device": spent.bytes_peak_device,
        "trials": spent.trials,
        "trials_budget": spent.trials_budget,
        "status": row.status,
        "complete": row.complete,
        "device": row.device,
        "device_name": row.device_name,
        "precision": row.precision,
        "run_ids": row.run_ids,
    }


def _three(name: str, found: Estimate | None) -> dict[str, float | None]:
    if found is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
