"""The command line: `bench`. Every command imports what it needs when it runs.

Exit codes: 0 fine, 1 some cells failed (of the gate: a regression), 2 a mistake of the
user's (also what a shell's usage error gives), 3 the gate cannot tell, 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bench.core.errors import UserError

OK, SOME_FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    help="Which backbone, adapted how? Run suites, derive leaderboards.\n\n"
    "Exit codes: 0 fine, 1 some cells failed, 2 a mistake of yours, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
assets_app = typer.Typer(help="Weights and data from outside.", no_args_is_help=True)
app.add_typer(assets_app, name="assets")


class Device(StrEnum):
    """Where to run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Format(StrEnum):
    """Of a table."""

    MD = "md"
    CSV = "csv"
    LATEX = "latex"
    JSON = "json"


class DType(StrEnum):
    """Arithmetic of the forward pass."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    BACKBONES = "backbones"
    METHODS = "methods"


SuitePath = Annotated[Path, typer.Argument(help="A suite file (TOML).", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="A run's or a published folder.", show_default=False)]
Locked = Annotated[
    bool, typer.Option("--locked", help="Refuse data whose bytes differ from the lock file.")
]


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
    from bench.runner.progress import display
    from bench.runner.run import Options, minutes, run_suite
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
            f"{outcome.ran} cells: forecast {minutes(expected.seconds)} and "
            f"{expected.bytes_memory / 1e9:.1f} GB, took {minutes(outcome.seconds)} and "
            f"{outcome.bytes_peak / 1e9:.1f} GB"
        )
    note(f"records and tables: {outcome.folder}")
    if outcome.failed:
        note(f"{len(outcome.failed)} cells failed; bench run --retry-failed tries them again")
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
        note(f"{len(found.cells)} jobs: {jobs}")


@app.command(name="run-cell")
def run_cell(
    job: Annotated[Path, typer.Argument(help="A job file (`bench plan --jobs`).")],
    device: Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")] = (
        Device.AUTO
    ),
) -> None:
    """Execute one job and commit its record; one that has a result already is left as it is.

    Complete in itself, for other machines and queues. Exit code 1: the cell failed.
    """
    from bench.runner.jobs import run_job
    from bench.runner.progress import outcome

    record = run_job(job, device.value)
    note(f"{record.run_id[:12]}: {outcome(record)}")
    if record.failure is not None:
        raise typer.Exit(SOME_FAILED)


@app.command()
def table(
    folder: Folder,
    format: Annotated[Format, typer.Option(help="Of the output.")] = Format.MD,  # noqa: A002
    write: Annotated[
        bool, typer.Option("--write", help="Write all formats into the folder instead.")
    ] = False,
    budget_curve: Annotated[
        bool, typer.Option("--budget-curve", help="Scores after each trial instead (md, json).")
    ] = False,
    break_even: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="From how many labels on the second is better, and its price (md, json): two"
            " methods, or 'backbone / method'.",
            show_default=False,
        ),
    ] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="What cells cost, phase by phase (md, json).")
    ] = False,
) -> None:
    """Derive the leaderboard of a folder from its records, or another table where asked for."""
    from bench import tables

    asked = {
        "--write": write,
        "--budget-curve": budget_curve,
        "--break-even": break_even is not None,
        "--ledger": ledger,
    }
    if len(several := [name for name, wanted in asked.items() if wanted]) > 1:
        raise UserError(f"{' and '.join(several)} are different tables: ask for one at a time")
    if budget_curve:
        show(tables.budget_curve(folder, format.value))
    elif break_even is not None:
        show(tables.break_even(folder, *break_even, format.value))
    elif ledger:
        show(tables.ledger(folder, format.value))
    elif write:
        for path in tables.write_tables(folder):
            note(str(path))
    else:
        show(tables.table(folder, format.value))


@app.command(name="list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)]) -> None:
    """List tasks, backbones or methods."""
    from bench.runner.report import listing

    show(listing(kind.value))


@app.command()
def publish(
    folder: Folder,
    results: Annotated[Path, typer.Option(help="Where published folders lie.")] = Path("results"),
    reason: Annotated[
        str | None,
        typer.Option(help="Why; makes it a baseline, which nothing replaces without a reason."),
    ] = None,
) -> None:
    """Copy a run's final records and compact predictions under results/, with its tables."""
    from bench import api

    note(f"published: {api.publish(folder, results, reason=reason)}")


@app.command()
def gate(
    baseline: Annotated[Path | None, typer.Option(help="A published or a run's folder.")] = None,
    candidate: Annotated[Path | None, typer.Option(help="The folder to judge.")] = None,
    accuracy_margin: Annotated[
        float, typer.Option(help="A drop up to this is no regression (0.01 is a point).")
    ] = 0.01,
    rerun: Annotated[
        str | None, typer.Option(help="Time the hot path of this commit and of the working tree.")
    ] = None,
    speed_margin: Annotated[
        float, typer.Option(help="A slowdown up to this is no regression.")
    ] = 0.05,
    pairs: Annotated[int, typer.Option(help="Interleaved runs of each, at least 15.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Plain data instead of words.")] = False,
) -> None:
    """Say whether a candidate got surely worse. Exit codes: 0 no, 1 yes, 3 cannot be told."""
    from bench.gate.command import Asked, answer

    asked = Asked(baseline, candidate, accuracy_margin, rerun, speed_margin, pairs)
    text, code = answer(asked, as_json=as_json, report=note)
    show(text)
    raise typer.Exit(code)


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
        report=note,
    )
    if out is not None:
        note(f"written: {write(found, out)}")
    show(found.json() if as_json else screen(found))


@assets_app.command(name="list")
def assets_list() -> None:
    """List every known asset with its size, licence and whether it is here."""
    from bench.runner.report import asset_listing

    show(asset_listing())


@assets_app.command()
def fetch(suite: SuitePath, locked: Locked = False) -> None:
    """Bring what a suite needs into the cache, for a machine that will be offline."""
    from bench.runner import run as runner
    from bench.runner.progress import Lines

    planned = runner.plan_suite(suite, locked=locked)
    runner.fetch(planned, planned.cells, Lines())
    note("everything this suite needs is here")


@assets_app.command()
def verify() -> None:
    """Read every cached asset again and compare its digest."""
    from bench.runner.report import verify_lines

    text, problems = verify_lines()
    show(text)
    if problems:
        raise typer.Exit(SOME_FAILED)


@app.command()
def doctor() -> None:
    """Say what this machine can do: device, versions, precision, caches, what would be skipped."""
    from bench.runner.doctor import report

    show(report())


def _again() -> str:
    """The command that was given, for a shell."""
    return shlex.join(["bench", *sys.argv[1:]])


def show(text: str) -> None:
    """A result, on standard output."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def note(text: str) -> None:
    """A word about it, on standard error."""
    sys.stderr.write(f"{text}\n")


def main() -> NoReturn:
    """Entry point: a mistake of the user's prints without a traceback."""
    try:
        app(prog_name="bench")
    except UserError as error:
        note(f"bench: {error}")
        sys.exit(MISTAKE)
    except BrokenPipeError:
        sys.exit(OK)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(OK)
