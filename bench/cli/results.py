"""`bench results`: the records themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import SOME_FAILED, Folder, note, show
from bench.core.amounts import counted

app = typer.Typer(help="The records of a folder: their state, their index, one of them.",
                  no_args_is_help=True)  # fmt: skip


@app.command()
def verify(folder: Folder) -> None:
    """Read every record and prediction again, and name each file that is damaged or gone.

    Exit code 1 where there is one.
    """
    from bench.store import Store
    from bench.store.inspect import verify as read_all

    report = read_all(Store(folder))
    for damage in report.damages:
        note(str(damage))
    show(
        f"{counted(report.records, 'record')} and {counted(report.predictions, 'file')} of"
        f" predictions are whole, {len(report.damages)} damaged, stray or gone"
    )
    if report.damages:
        raise typer.Exit(SOME_FAILED)


@app.command()
def reindex(folder: Folder) -> None:
    """Derive index.json from the records again, and remove what killed writers left behind."""
    from bench.store import Store
    from bench.store.index import write_index
    from bench.store.inspect import require_records, sweep

    require_records(Store(folder))
    indexed = counted(write_index(Store(folder)), "record")
    removed = counted(len(sweep(folder)), "temporary file")
    show(f"{indexed} in {folder / 'index.json'}; {removed} removed")


@app.command(name="show")
def show_(
    run_id: Annotated[str, typer.Argument(help="Or how it begins.", show_default=False)],
    folder: Annotated[
        Path | None, typer.Option(help="Where to look; without it under runs/ and results/.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The records as they are.")] = False,
) -> None:
    """Print every attempt at one cell."""
    from bench.runner.report import record_lines
    from bench.store.lookup import find_attempts

    found = find_attempts(run_id, folder)
    show(record_lines(found, as_json=as_json))
