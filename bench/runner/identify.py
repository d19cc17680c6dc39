"""The part of a record that is known before the cell runs, and records of failures."""

from __future__ import annotations

from typing import Any

from bench.core.cell import Cell
from bench.core.method import Scalar
from bench.core.record import SCHEMA, Failure, Record, Status
from bench.measure import provenance


def identity_fields(cell: Cell, attempt: int) -> dict[str, Any]:
    """The part of a record that is known before the cell runs."""
    return {
        "schema": SCHEMA,
        "run_id": cell.run_id,
        "attempt": attempt,
        "suite": cell.suite,
        "task": cell.task.name,
        "modality": cell.modality.value,
        "backbone": cell.backbone_label,
        "method": cell.method_label,
        "draw": cell.draw,
        "seed": cell.seed,
        "control": cell.control.value if cell.control else None,
        "needs_backbone": cell.backbone is not None,
        "identity": cell.identity,
    }


def precision_of(cell: Cell) -> str:
    """Precision of the forward pass, or that there was none."""
    return cell.precision.value if cell.backbone else "none"


def failed(cell: Cell, attempt: int, device: str, failure: Failure) -> Record:
    """The record of a failed attempt, with the limits that it had."""
    limits: dict[str, Scalar] = {}
    if cell.budget.seconds is not None:
        limits["limit_seconds"] = cell.budget.seconds
    if cell.budget.memory_gb is not None:
        limits["limit_memory_gb"] = cell.budget.memory_gb
    return Record(
        **identity_fields(cell, attempt),
        main_metric=cell.task.main_metric or "accuracy",
        status=Status.FAILED,
        provenance=provenance(device, precision_of(cell), deterministic=cell.deterministic),
        trials_budget=cell.budget.trials,
        facts=limits,
        failure=failure,
    )
