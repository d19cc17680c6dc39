"""What `bench gate` does: one question or both, one answer and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.errors import UserError
from bench.gate.check import check
from bench.gate.rerun import plain_timing, render_timing, rerun
from bench.gate.text import SCHEMA, plain_report, render
from bench.gate.verdict import EXIT_CODES, worst


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options."""

    baseline: Path | None
    candidate: Path | None
    accuracy_margin: float
    base_ref: str | None
    speed_margin: float
    pairs: int


def answer(asked: Asked, *, as_json: bool, report: Callable[[str], None]) -> tuple[str, int]:
    """The output and the exit code.

    Raises:
        UserError: if nothing, or half a comparison, was asked for; and as `check` and `rerun` do.
    """
    folders = asked.baseline is not None and asked.candidate is not None
    if not folders and (asked.baseline or asked.candidate or asked.base_ref is None):
        raise UserError(
            "the gate compares two folders (--baseline DIR --candidate DIR), "
            "or times two checkouts (--rerun BASE_REF), or both"
        )
    texts: list[str] = []
    plain: dict[str, Any] = {"schema": SCHEMA}
    verdicts = []
    if asked.baseline and asked.candidate:
        found = check(asked.baseline, asked.candidate, accuracy_margin=asked.accuracy_margin)
        texts.append(render(found))
        plain |= plain_report(found)
        verdicts.append(found.verdict)
    if asked.base_ref is not None:
        timing, repeated = rerun(
            asked.base_ref, pairs=asked.pairs, margin=asked.speed_margin, report=report
        )
        texts.append(render_timing(timing, repeated=repeated))
        plain["rerun"] = plain_timing(timing, repeated=repeated)
        verdicts.append(timing.verdict)
    verdict = worst(verdicts)
    plain["verdict"] = verdict.value
    text = json.dumps(plain, indent=1, allow_nan=False) if as_json else "\n".join(texts)
    return text, EXIT_CODES[verdict]
