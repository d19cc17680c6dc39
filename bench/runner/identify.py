"""The part of a record that is known before the cell runs."""

from __future__ import annotations

from typing import Any

from bench.core.cell import Cell
from bench.core.record import SCHEMA


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
