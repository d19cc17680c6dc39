"""Data for the page's script: JSON that HTML cannot take for anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.core.inert import clean, lines
from bench.report.details import Details
from bench.report.gather import Found

_DIGITS = 10  # as in the JSON table
LONGEST = 2000


def data(found: Found) -> str:
    """Records, what they ran on, and each row's details, by the row's place on the board.

    Names of classes stand once, in `classes`, for all rows that share them.
    """
    names = list(dict.fromkeys(one.names for one in found.details if one and one.names))
    at = {each: place for place, each in enumerate(names)}
    plain = {
        "records": [dict(record) for record in found.origins.records],
        "settings": [asdict(setting) for setting in found.origins.settings],
        "classes": names,
        "rows": [None if one is None else _row(one, at) for one in found.details],
    }
    return embedded(plain)


def _row(one: Details, at: Mapping[tuple[str, ...], int]) -> list[Any]:
    """In the order that the script takes it apart; null where the classes have no names."""
    numbers = [one.classes, one.records, one.items, _flat(one.confusion), _flat(one.bins)]
    return [*numbers, at.get(one.names)]


def embedded(plain: Mapping[str, Any]) -> str:
    """ASCII alone, no `<`, `>` or `&`, and no character that cannot be seen; NaN becomes null."""
    text = json.dumps(_inert(plain), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _flat(triples: tuple[tuple[float, float, float], ...]) -> list[float]:
    return [number for triple in triples for number in triple]


def _inert(value: Any, *, several: bool = False) -> Any:
    """Words on one line; what a failed cell said last on several."""
    if isinstance(value, dict):
        return {
            clean(str(key), LONGEST): _inert(inner, several=key == "tail")
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_inert(inner) for inner in value]
    if isinstance(value, str):
        return value if _plain(value) else (lines if several else clean)(value, LONGEST)
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0 if math.isfinite(value) else None
    return value


def _plain(text: str) -> bool:
    return len(text) <= 120 and text.isascii() and text.isprintable()
