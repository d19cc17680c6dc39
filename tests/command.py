"""The command line without a process of its own, nor one for cells: starting one takes a second and
a worker three, all of it imports.

What a process does as a whole (signals, workers, what it imports) is tested with real ones.
"""

from __future__ import annotations

import functools
import io
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cli import main
from bench.runner import run
from tests.runner.in_process import in_process


@dataclass(frozen=True, slots=True)
class Done:
    """What `subprocess.run` would tell."""

    returncode: int
    stdout: str
    stderr: str


def bench(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run `bench` with these arguments in a folder; its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, chdir(cwd):
        patch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        patch.setattr(run, "likely_device", lambda: "cpu")  # as `in_process` has it
        patch.setattr(run, "run_suite", functools.partial(run.run_suite, engine=in_process))
        for name, value in environment.items():
            patch.setenv(name, value)
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main()
    return Done(int(end.value.code or 0), out.getvalue(), err.getvalue())
