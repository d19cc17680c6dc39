"""What commands share: exit codes, arguments, and the two ways of saying something."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

OK, SOME_FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130


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


SuitePath = Annotated[Path, typer.Argument(help="A suite file (TOML).", show_default=False)]
Folder = Annotated[Path, typer.Argument(help="A run's or a published folder.", show_default=False)]
Locked = Annotated[
    bool, typer.Option("--locked", help="Refuse data whose bytes differ from the lock file.")
]


def show(text: str) -> None:
    """A result, on standard output."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def note(text: str) -> None:
    """A word about it, on standard error: names from outside cannot steer the terminal."""
    from bench.core.inert import lines

    sys.stderr.write(f"{lines(text, longest=20_000)}\n")
