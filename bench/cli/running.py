"""Commands that run something: suites, single cells, timings."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import (
    INTERRUPTED,
    SOME_FAILED,
    Device,
    DType,
    Locked,
    SuitePath,
    note,
    show,
)
from bench.core.amounts import counted

app = typer.Typer()


@app.command()
def run(
    suite: SuitePath,
    runs: Annotated[Path, typer.Option(help="Where the suites' folders lie.")] = Path("runs"),
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = (
        Device.AUTO
    ),
    locked: Locked = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed for good, too.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Cells at a time; threads are shared out, so times are of a busy machine."
            " One for each GPU, and one on a CPU, where it is not said.",
            show_default=False,
        ),
    ] = None,
    json_lines: Annotated[
        bool,
        typer.Option("--json-lines", help="What happens, a JSON object a line, instead of words."),
    ] = False,
) -> None:
    """Run what is not done yet of a suite, and print its leaderboard.

    Ctrl-C once finishes the cells in hand; twice stops at once. The same command goes on.
    """
    from bench.runner.progress import display, duration
    from bench.runner.run import Options, run_suite
    from bench.tables import table, write_tables

    options = Options(runs, device.value, locked, retry_failed, workers)
    try:
        outcome = run_suite(suite, options, display(json_lines=json_lines))
    except KeyboardInterrupt:
        note(f"interrupted; finished cells are kept. Go on with: {_again()}")
        raise typer.Exit(INTERRUPTED) from None
    write_tables(outcome.folder)
    if not json_lines:
        show(table(outcome.folder, "md"))
    if outcome.ran:
        expected = outcome.forecast
        note(
            f"{counted(outcome.ran, 'cell')}: forecast {duration(expected.seconds)} and "
            f"{expected.bytes_memory / 1e9:.1f} GB, took {duration(outcome.seconds)} and "
            f"{outcome.bytes_peak / 1e9:.1f} GB"
        )
    note(f"records and tables: {outcome.folder}")
    if outcome.failed:
        failed, again = counted(len(outcome.failed), "cell"), _again("--retry-failed")
        note(f"{failed} failed; to try again: {again}")
        raise typer.Exit(SOME_FAILED)


@app.command()
def plan(
    suite: SuitePath,
    locked: Locked = False,
    jobs: Annotated[
        Path | None,
        typer.Option(
            help="Write a job file a cell into this folder, for `bench run-cell`.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[
        Path, typer.Option(help="Where the suites' folders lie, for job files.")
    ] = Path("runs"),
) -> None:
    """Show a suite's cells, what does not apply and why, and a forecast."""
    from bench.runner.jobs import write_jobs
    from bench.runner.report import plan_lines
    from bench.runner.run import plan_suite

    found = plan_suite(suite, locked=locked)
    show(plan_lines(found))
    if jobs is not None:
        write_jobs(jobs, found.cells, runs / found.suite.name)
        note(f"{counted(len(found.cells), 'job')}: {jobs}")


@app.command(name="run-cell")
def run_cell(
    job: Annotated[Path, typer.Argument(help="A job file (`bench plan --jobs`).")],
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = (
        Device.AUTO
    ),
) -> None:
    """Execute one job and commit its record; one that has a result already is left as it is.

    Complete in itself, for other machines and queues; the suite's limits hold. Exit code 1: the
    cell failed. `bench run` of the suite takes up what jobs did, and makes the table.
    """
    from bench.runner.jobs import run_job
    from bench.runner.progress import outcome

    record = run_job(job, device.value)
    note(f"{record.run_id[:12]}: {outcome(record)}")
    if record.failure is not None:
        raise typer.Exit(SOME_FAILED)


@app.command()
def throughput(
    backbone: Annotated[
        str,
        typer.Argument(
            help="A name, hub:models/..., file:FOLDER, or a shape such as shape:bert-base.",
            show_default=False,
        ),
    ],
    task: Annotated[str | None, typer.Option(help="Whose inputs; shapes make their own.")] = None,
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = (
        Device.AUTO
    ),
    dtype: Annotated[DType, typer.Option(help="Of the forward pass.")] = DType.FP32,
    items: Annotated[
        int | None, typer.Option(help="Inputs at most (1,000 on a CPU, 20,000 on a GPU).")
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="Of a shape's inputs: tokens (128), or seconds (10).")
    ] = None,
    sweep: Annotated[
        bool | None,
        typer.Option(
            "--sweep/--no-sweep",
            help="Try batch budgets and keep the best; by itself where it is quick.",
            show_default=False,
        ),
    ] = None,
    compile: Annotated[  # noqa: A002 -- the option's name
        bool, typer.Option("--compile", help="With torch.compile in the forward pass.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Plain data instead of words.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the result here, and a table over all that are.")
    ] = None,
) -> None:
    """Time feature extraction of one backbone: end to end, on the device, with warm token ids."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a line a step is enough
    from bench import api
    from bench.runner.throughput.text import prepare, screen, write

    if out is not None:
        prepare(out)
    found = api.throughput(
        backbone,
        task,
        device=device.value,
        precision=dtype.value,
        items=items,
        length=length,
        sweep=sweep,
        compile=compile,
        report=note,
    )
    if out is not None:
        note(f"written: {write(found, out)}")
    show(found.json() if as_json else screen(found))


def _again(*more: str) -> str:
    """The command that was given, for a shell, with what it has to say besides."""
    given = sys.argv[1:]
    return shlex.join(["bench", *given, *(one for one in more if one not in given)])
