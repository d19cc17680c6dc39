"""Where a run goes wrong, item by item, from the predictions that are kept beside its record."""

from __future__ import annotations

from pathlib import Path

from bench.mistakes.analysis import Analysis, analyse, find
from bench.mistakes.inputs import Data, data_of
from bench.mistakes.text import as_json, as_text

__all__ = ["Analysis", "Data", "analyse", "errors"]


def errors(
    run_id: str,
    *,
    against: str | None = None,
    folder: Path | None = None,
    suite: Path | None = None,
    show_inputs: bool = False,
    top: int = 10,
    as_plain: bool = False,
) -> str:
    """Worst items, confused classes, calibration by class, and what another run gets wrong, too.

    Args:
        run_id: of a cell, or how it begins.
        against: the same of another cell with the same test items.
        folder: where to look; without it under runs/ and results/.
        suite: the file that describes the user's own data, for names and inputs.
        show_inputs: whether inputs are loaded and shown.
        top: rows of each table; JSON has all.
        as_plain: JSON instead of tables.

    Raises:
        UserError: if a run has no predictions, the two have different test items, or the inputs
            cannot be had.
    """
    found = analyse(find(run_id, folder), None if against is None else find(against, folder))
    data = data_of(found.run, suite, wanted=show_inputs)
    if as_plain:
        return as_json(found, data, show_inputs=show_inputs)
    return as_text(found, data, show_inputs=show_inputs, top=top)
