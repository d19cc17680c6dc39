"""What Python callers and the command line share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bench.core.record import Record
    from bench.runner.plan import Plan
    from bench.runner.throughput.result import Throughput


def run(
    suite: str | Path,
    *,
    runs: str | Path = "runs",
    device: str = "auto",
    locked: bool = False,
    retry_failed: bool = False,
    workers: int | None = None,
) -> list[Record]:
    """Run what is not done yet of a suite file and return one record per cell.

    Args:
        suite: path of a TOML file.
        runs: folder under which the suite's own folder lies.
        device: "auto", "cpu" or "cuda".
        locked: refuse data whose bytes differ from the suite's lock file.
        retry_failed: try again what failed for a reason that does not pass by itself.
        workers: cells at a time; one for each GPU, and one on a CPU, where it is None.

    Raises:
        UserError: on a mistake in the suite, its data or its assets.
    """
    from bench.runner.run import Options, run_suite
    from bench.tables import write_tables

    options = Options(Path(runs), device, locked, retry_failed, workers)
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


def budget_curve(folder: str | Path, format: str = "md") -> str:  # noqa: A002 -- the option's name
    """Best validation and test score after each trial, as md or json.

    Raises:
        UserError: for another format.
    """
    from bench.tables import budget_curve as render

    return render(folder, format)


def break_even(folder: str | Path, first: str, second: str, format: str = "md") -> str:  # noqa: A002
    """From how many labels on one of two entrants is better, and its price, as md or json.

    Args:
        folder: a run's or a published folder, of a suite with several sizes of a task.
        first: a method's label, or "backbone / method".
        second: the same; differences are its score minus that of the first.
        format: "md" or "json".

    Raises:
        UserError: if a name is of no entrant or of several, or no task has a curve of both.
    """
    from bench.tables import break_even as render

    return render(folder, first, second, format)


def ledger(folder: str | Path, format: str = "md") -> str:  # noqa: A002 -- the option's name
    """What each entrant's cells cost, phase by phase, as md or json.

    Raises:
        UserError: for another format.
    """
    from bench.tables import ledger as render

    return render(folder, format)


def robustness(folder: str | Path, format: str = "md") -> str:  # noqa: A002 -- the option's name
    """What each entrant loses where its test inputs are changed, as md or json.

    Raises:
        UserError: if no test inputs are changed in the folder, or for another format.
    """
    from bench.tables import robustness as render

    return render(folder, format)


def publish(
    folder: str | Path, results: str | Path = "results", *, reason: str | None = None
) -> Path:
    """Copy a run's final records and compact predictions to `results/<suite>/`, with its tables,
    its `model-index.yaml` and, where cells follow MTEB's protocol, MTEB's result files.

    With a `reason`, the folder is (or becomes) a baseline: the reason is kept in its
    `baseline.json`, and from then on it is not replaced without one.

    Raises:
        StoreError: if the folder holds no run or cannot be written.
        UserError: if a baseline would be replaced without a reason.
    """
    from bench.core.errors import StoreError
    from bench.export import write
    from bench.gate.baseline import commits_of, note_reason, refuse_unexplained
    from bench.store import Store, copy_final
    from bench.suite_file import NAME

    source = Store(Path(folder))
    name = source.suite().get("name")
    # it becomes a folder's, in which other records are removed
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise StoreError(f"{folder}: its suite.json has {name!r} for a name, which no suite has")
    target = Store(Path(results) / name)
    refuse_unexplained(target, reason)
    before = commits_of(target)
    copy_final(source, target)
    write(target.folder)
    if reason is not None:
        note_reason(target, reason, before)
    return target.folder


def throughput(
    backbone: str,
    task: str | None = None,
    *,
    device: str = "auto",
    precision: str = "fp32",
    items: int | None = None,
    length: int | None = None,
    sweep: bool | None = None,
    compile: bool = False,  # noqa: A002 -- torch's own word, as in a suite
    report: Callable[[str], None] | None = None,
) -> Throughput:
    """Time feature extraction of one backbone: end to end, on the device, with warm token ids.

    Args:
        backbone: a registered name, `hub:models/...`, `file:FOLDER`, or a shape
            (`shape:bert-base`), which has random weights and needs no task.
        task: whose inputs are used; a name that `bench list tasks` has.
        device: "auto", "cpu" or "cuda".
        precision: "fp32", "bf16" or "fp16".
        items: distinct inputs at most; 1,000 on a CPU and 20,000 on a GPU unless given.
        length: of the inputs that a shape makes: tokens of a text (128), seconds of a clip (10).
        sweep: whether batch budgets are tried; unless given, where that takes no more
            than 45 seconds. What is found is kept, and runs use it.
        compile: whether torch.compile is in the forward pass.
        report: gets a line a step.

    Raises:
        UserError: on a mistake in these, or data that cannot be had.
    """
    from bench.core.errors import UserError
    from bench.core.suite import Precision
    from bench.runner.throughput.run import throughput as time_it
    from bench.runner.throughput.setup import Asked

    known = [each.value for each in Precision if each is not Precision.AUTO]
    if precision not in known:
        raise UserError(f"precision is {', '.join(known)}, not {precision!r}")
    asked = Asked(
        backbone=backbone,
        task=task,
        device=device,
        precision=Precision(precision),
        items=items,
        length=length,
        sweep=sweep,
        compile=compile,
    )
    return time_it(asked, report or (lambda _: None))


PUBLIC: Mapping[str, Any] = {
    function.__name__: function
    for function in (
        run,
        plan,
        leaderboard,
        table,
        budget_curve,
        break_even,
        ledger,
        robustness,
        publish,
        throughput,
    )
}
