"""Trials of a fault: what was tried, what survived, and whether an acknowledged result was lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FULL = os.environ.get("FAULTS") == "full"
"""`make faults` sets it; `make test` runs the quick form."""


def times(quick: int, full: int) -> int:
    """How often to try: little in `make test`, as often as it takes in `make faults`."""
    return full if FULL else quick


@dataclass
class Trials:
    """One row of the table; a test gets it as the fixture `trials`.

    An acknowledged result is one that its writer was told is committed; it is lost when it
    cannot be read afterwards.
    """

    fault: int
    words: str
    tried: int = 0
    survived: int = 0
    acknowledged: int = 0
    lost: int = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """One trial: it survived where the block ends without an exception."""
        self.tried += 1
        yield
        self.survived += 1

    def results(self, acknowledged: int, lost: int = 0) -> None:
        """Count results that were acknowledged, and those of them that are gone."""
        self.acknowledged += acknowledged
        self.lost += lost


def table(rows: list[Trials], missing: dict[int, str]) -> str:
    """The table in markdown; its last line is the sum. `missing` says what was not run, and why."""
    merged: dict[int, Trials] = {}
    for row in rows:
        into = merged.setdefault(row.fault, Trials(row.fault, row.words))
        into.tried += row.tried
        into.survived += row.survived
        into.acknowledged += row.acknowledged
        into.lost += row.lost
        if row.words not in into.words:
            into.words += f"; {row.words}"
    lines = [
        "| # | fault | trials | survived | acknowledged results | lost |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for number in sorted({*merged, *missing}):
        if number in merged:
            row = merged[number]
            lines.append(
                f"| {number} | {row.words} | {row.tried:,} | {row.survived:,} "
                f"| {row.acknowledged:,} | {row.lost:,} |"
            )
        else:
            lines.append(f"| {number} | {missing[number]} | not run | | | |")
    tried, survived, acknowledged, lost = (
        sum(getattr(row, name) for row in merged.values())
        for name in ("tried", "survived", "acknowledged", "lost")
    )
    kept = f"{lost:,} of {acknowledged:,} acknowledged results lost"
    lines += ["", f"{survived:,} of {tried:,} survived, {kept}"]
    return "\n".join(lines)
