"""Everything that the page says, derived from a store by bench.tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.core.metrics import TRANSCRIPTION
from bench.report.details import Details, details, names_of
from bench.report.kept import Kept
from bench.report.origins import Origins, origins
from bench.store import Store
from bench.tables import Board, board
from bench.tables.board import in_suite_order
from bench.tables.budget import BudgetCurve, budget_curves
from bench.tables.ledger import Entry, ledger
from bench.tables.views import View, of_budget, of_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run: its board, its other tables, and for each row what its predictions look like.

    `details` has one for each of the board's rows, None where nothing succeeded.
    """

    suite: Mapping[str, Any]
    board: Board
    budgets: tuple[BudgetCurve, ...]
    budget_view: View
    entries: tuple[Entry, ...]
    ledger_view: View
    origins: Origins
    details: tuple[Details | None, ...]


def gather(given: Store) -> Found:
    """Read a store. One row's predictions are in memory at a time.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    store = Kept(given)
    found, suite, records = board(store), store.suite(), store.final()
    by_problem = in_suite_order(records, suite)
    by_run = {record.run_id: record for record in records}
    return Found(
        suite=suite,
        board=found,
        budgets=tuple(budget_curves(by_problem)),
        budget_view=of_budget(store),
        entries=tuple(ledger(by_problem)),
        ledger_view=of_ledger(store),
        origins=origins(records),
        details=tuple(
            details(
                (
                    store.predictions(by_run[run])
                    for run in row.run_ids
                    if by_run[run].predictions and by_run[run].main_metric not in TRANSCRIPTION
                ),
                names_of(by_run[run] for run in row.run_ids),
            )
            for row in found.rows
        ),
    )
