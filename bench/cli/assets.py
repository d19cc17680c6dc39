"""`bench assets`: weights and data from outside."""

from __future__ import annotations

import typer

from bench.cli.common import SOME_FAILED, Locked, SuitePath, note, show

app = typer.Typer(help="Weights and data from outside.", no_args_is_help=True)


@app.command(name="list")
def assets_list() -> None:
    """List every known asset with its size, licence and whether it is here."""
    from bench.runner.report import asset_listing

    show(asset_listing())


@app.command()
def fetch(suite: SuitePath, locked: Locked = False) -> None:
    """Bring what a suite needs into the cache, for a machine that will be offline."""
    from bench.runner import run as runner
    from bench.runner.progress import Lines

    planned = runner.plan_suite(suite, locked=locked)
    runner.fetch(planned, planned.cells, Lines())
    note("everything this suite needs is here")


@app.command()
def verify() -> None:
    """Read every cached asset again and compare its digest."""
    from bench.runner.report import verify_lines

    text, problems = verify_lines()
    show(text)
    if problems:
        raise typer.Exit(SOME_FAILED)
