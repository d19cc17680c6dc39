"""What Python callers and the command line share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bench.core.record import Record
    from bench.runner.plan import Plan


def run(
    suite: str | Path,
    *,
    runs: str | Path = "runs",
    device: str = "auto",
    locked: bool = False,
    retry_failed: bool = False,
) -> list[Record]:
    """Run what is not done yet of a suite file and return one record per cell.

    Args:
        suite: path of a TOML file.
        runs: folder under which the suite's own folder lies.
        device: "auto", "cpu" or "cuda".
        locked: refuse data whose bytes differ from the suite's lock file.
        retry_failed: try again what failed for a reason that does not pass by itself.

    Raises:
        UserError: on a mistake in the suite, its data or its assets.
    """
    from bench.runner.run import Options, run_suite
    from bench.tables import write_tables

    options = Options(Path(runs), device, locked, retry_failed)
    outcome = run_suite(Path(suite), options)
    write_tables(outcome.folder)
    return list(outcome.records)


def plan(suite: str | Path) -> Plan:
    """The cells of a suite file, without running anything.

    Raises:
        SuiteError: with all its mistakes.
    """
    from bench.runner.run import plan_suite

    return plan_suite(Path(suite))


def leaderboard(folder: str | Path) -> pd.DataFrame:
    """The leaderboard of a run's folder as a pandas frame, one row per task, backbone and method.

    Raises:
        StoreError: if the folder holds no run, or a record is damaged.
    """
    from bench.tables import leaderboard as derive

    return derive(folder)


def table(folder: str | Path, format: str = "md") -> str:  # noqa: A002 -- the option's name
    """The leaderboard rendered as md, csv, latex or json.

    Raises:
        UserError: for another format.
    """
    from bench.tables import table as render

    return render(folder, format)


def publish(
    folder: str | Path, results: str | Path = "results", *, reason: str | None = None
) -> Path:
    """Copy a run's final records and compact predictions to `results/<suite>/`, with its tables.

    With a `reason`, the folder is (or becomes) a baseline: the reason is kept in its
    `baseline.json`, and from then on it is not replaced without one.

    Raises:
        StoreError: if the folder holds no run or cannot be written.
        UserError: if a baseline would be replaced without a reason.
    """
    from bench.gate.baseline import commits_of, note_reason, refuse_unexplained
    from bench.store import Store, copy_final
    from bench.tables import write_tables

    source = Store(Path(folder))
    target = Store(Path(results) / str(source.suite()["name"]))
    refuse_unexplained(target, reason)
    before = commits_of(target)
    copy_final(source, target)
    write_tables(target.folder)
    if reason is not None:
        note_reason(target, reason, before)
    return target.folder


PUBLIC: Mapping[str, Any] = {
    function.__name__: function for function in (run, plan, leaderboard, table, publish)
}
