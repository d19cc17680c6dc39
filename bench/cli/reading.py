"""Commands that derive something: tables, published folders, the gate's answer, listings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import SOME_FAILED, Folder, Format, note, show
from bench.core.errors import UserError

app = typer.Typer()


class Kind(StrEnum):
    """What can be listed."""

    TASKS = "tasks"
    BACKBONES = "backbones"
    METHODS = "methods"


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
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="What changed test inputs cost in score (md, json)."),
    ] = False,
) -> None:
    """Derive the leaderboard of a folder from its records, or another table where asked for."""
    from bench import tables

    asked = {
        "--write": write,
        "--budget-curve": budget_curve,
        "--break-even": break_even is not None,
        "--ledger": ledger,
        "--robustness": robustness,
    }
    if len(several := [name for name, wanted in asked.items() if wanted]) > 1:
        raise UserError(f"{' and '.join(several)} are different tables: ask for one at a time")
    if budget_curve:
        show(tables.budget_curve(folder, format.value))
    elif break_even is not None:
        show(tables.break_even(folder, *break_even, format.value))
    elif ledger:
        show(tables.ledger(folder, format.value))
    elif robustness:
        show(tables.robustness(folder, format.value))
    elif write:
        for path in tables.write_tables(folder):
            note(str(path))
    else:
        show(tables.table(folder, format.value))


@app.command()
def report(
    folder: Folder,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; report.html in the folder.", show_default=False),
    ] = None,
) -> None:
    """Write one HTML file with a folder's tables, figures and the origin of every number."""
    from bench.report import write

    note(str(write(folder, out)))


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
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Copy nothing: derive the files of this published folder again, and name each"
            " that differs (exit code 1).",
        ),
    ] = False,
) -> None:
    """Copy a run's final records and compact predictions under results/, with all its tables."""
    if check:
        from bench.export import check as differing

        for line in (found := differing(folder)):
            note(line)
        if found:
            raise typer.Exit(SOME_FAILED)
        note(f"{folder}: every table is what its records give")
        return
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
def doctor() -> None:
    """Say what this machine can do: device, versions, precision, caches, what would be skipped."""
    from bench.runner.doctor import report

    show(report())
