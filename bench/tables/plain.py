"""JSON: everything on the board as plain data, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.tables.board import Board
from bench.tables.curves import Curve, Size
from bench.tables.frame import plain
from bench.tables.robustness import Robustness
from bench.tables.rows import Row

SCHEMA = 1
"""Of the JSON table; raised when a key changes its meaning."""

_DIGITS = 10  # sums differ in the last digits between machines


def as_json(board: Board) -> str:
    """Names as they are, in ASCII escapes; `<`, `>` and `&` too, so that HTML may hold it.

    A number that is not there is null.
    """
    found = {
        "schema": SCHEMA,
        "suite": board.suite,
        "version": board.version,
        "cells": board.cells,
        "records": board.records,
        "first": board.first,
        "last": board.last,
        "devices": board.places,
        "rows": [plain(row) for row in board.rows],
        "sees": [
            {"task": problem.task, "train": problem.train, "difference": size}
            for problem, size in board.sees.items()
        ],
        "facts": [
            {"task": problem.task, "train": problem.train, "text": text}
            for problem, text in board.facts.items()
        ],
        "curves": [curve_plain(curve) for curve in board.curves],
        **_robustness(board),
        "overall": [asdict(entry) for entry in board.overall],
        "transfers": [asdict(one) for one in board.transfers],
        "students": [asdict(one) for one in board.students],
        "controls": [asdict(check) for check in board.checks],
        "failures": [asdict(failed) for failed in board.failed],
        "skipped": [asdict(skipped) for skipped in board.skipped],
    }
    return dumps(found)


def _robustness(board: Board) -> dict[str, Any]:
    """The tables of changed test inputs; nothing where there are none."""
    if not board.changed:
        return {}
    return {"robustness": [robustness_plain(found) for found in board.robustness]}


def robustness_plain(found: Robustness) -> dict[str, Any]:
    """A table of changed test inputs: scores, and differences from the clean ones."""
    return {
        "task": found.problem.task,
        "train": found.problem.train,
        "metric": found.problem.metric,
        "lines": [
            {
                "backbone": line.clean.backbone,
                "method": line.clean.method,
                "clean": _point(line.clean),
                "changes": [
                    {
                        "change": change.words,
                        "paired": change.paired,
                        "difference": held.gap and asdict(held.gap),
                        **(_point(held.row) if held.row else {}),
                    }
                    for change, held in zip(found.changes, line.held, strict=True)
                ],
            }
            for line in found.lines
        ],
    }


def dumps(found: Mapping[str, Any]) -> str:
    """Plain data as JSON: ASCII alone, nothing that HTML would take for its own."""
    text = json.dumps(_finite(found), indent=1, ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text + "\n"


def curve_plain(curve: Curve) -> dict[str, Any]:
    """A curve's points; the rest of what is known of them stands in `rows`."""
    return {
        "title": curve.title,
        "metric": curve.metric,
        "sizes": [size_plain(size) for size in curve.sizes],
        "lines": [
            {
                "backbone": line.backbone,
                "method": line.method,
                "values": [row and _point(row) for row in line.rows],
            }
            for line in curve.lines
        ],
    }


def size_plain(size: Size) -> dict[str, Any]:
    return {
        "task": size.problem.task,
        "train": size.problem.train,
        "per_class": size.per_class,
        "labels": size.labels,
        "capped": size.capped,
    }


def _point(row: Row) -> dict[str, Any]:
    keys = ("value", "low", "high", "covers", "n", "draws", "labels", "complete", "run_ids")
    found = plain(row)
    return {key: found[key] for key in keys}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0 if math.isfinite(value) else None
    return value
