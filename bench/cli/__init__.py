"""The command line: `bench`. Every command imports what it needs when it runs.

Exit codes: 0 fine, 1 some cells failed (of the gate: a regression), 2 a mistake of the
user's (also what a shell's usage error gives), 3 the gate cannot tell, 130 interrupted.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from bench.cli import assets, errors, export, reading, results, running
from bench.cli.common import INTERRUPTED, MISTAKE, OK, note
from bench.core.errors import UserError

app = typer.Typer(
    help="Which backbone, adapted how? Run suites, derive leaderboards.\n\n"
    "Exit codes: 0 fine, 1 some cells failed, 2 a mistake of yours, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(running.app)
app.add_typer(reading.app)
app.add_typer(errors.app)
app.add_typer(export.app)
app.add_typer(results.app, name="results")
app.add_typer(assets.app, name="assets")


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
