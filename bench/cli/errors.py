"""`bench errors`: where a run goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import show

app = typer.Typer()


@app.command()
def errors(
    run_id: Annotated[str, typer.Argument(help="Or how it begins.", show_default=False)],
    against: Annotated[
        str | None,
        typer.Option(help="Another run with the same test items: who gets what wrong?"),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where to look; without it under runs/ and results/.")
    ] = None,
    suite: Annotated[
        Path | None,
        typer.Option(help="The suite that describes your own data, for names and inputs."),
    ] = None,
    show_inputs: Annotated[
        bool, typer.Option("--show-inputs", help="Load the inputs and show how they begin.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Rows of each table; JSON has all.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Plain data instead of words.")] = False,
) -> None:
    """Show a run's most confident mistakes, confused classes, and calibration by class.

    With --against, also what both runs get wrong, and what one alone does.
    """
    from bench.mistakes import errors as found

    show(
        found(
            run_id,
            against=against,
            folder=folder,
            suite=suite,
            show_inputs=show_inputs,
            top=top,
            as_plain=as_json,
        )
    )
