"""`bench export`: results in the forms that other places read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import note, show

app = typer.Typer()


class Target(StrEnum):
    """What results can be exported as."""

    MODEL_INDEX = "model-index"
    MTEB = "mteb"
    OVERVIEW = "overview"
    ALL = "all"


@app.command()
def export(
    format: Annotated[  # noqa: A002 -- the word that users say
        Target,
        typer.Argument(
            help="model-index: YAML for a model card of the hub; mteb: a result file of MTEB's, for"
            " banking77 and fsdd where they are run as it does; overview: a page over the"
            " published folders in a folder; all: every file that is derived from a published"
            " folder, or from all in a folder.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(help="A run's or a published folder; of overview: of those.")
    ] = Path("results"),
    task: Annotated[str | None, typer.Option(help="Of this task alone.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Of this backbone alone.")] = None,
    method: Annotated[str | None, typer.Option(help="Of this method alone.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="With all: write the files into the folder.")
    ] = False,
) -> None:
    """Give results to other places: a model card, MTEB, a page over all that is published."""
    from bench.core.errors import UserError
    from bench.export import Chosen, write_all
    from bench.export import export as text
    from bench.export import write as write_one

    chosen = Chosen(task=task, backbone=backbone, method=method)
    if not write:
        show(text(folder, format.value, chosen))
        return
    if format is not Target.ALL or chosen != Chosen():
        raise UserError("--write is of `bench export all DIR`; redirect the output of the others")
    paths = (write_one if (folder / "suite.json").exists() else write_all)(folder)
    for path in paths:
        note(str(path))
