"""What a folder notes of its suite: the form of `suite.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.core.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Keys that are read somewhere, each as it has to be where it is there; others may stand beside
    them."""

    name: str
    version: int = 1
    description: str = ""
    device: str | None = None
    draws: int = 1
    seeds: int = 1
    budget: dict[str, float | None] | None = None
    cells: list[str] | None = None  # run ids
    labels: list[tuple[str, str]] | None = None  # of each cell: backbone, method
    skipped: list[dict[str, str]] | None = None


_NOTED = TypeAdapter(Noted)


def noted_of(data: bytes, what: str) -> dict[str, Any]:
    """A suite.json as plain data; `what` names it in errors.

    Raises:
        StoreError: if it is damaged, or of another form.
    """
    try:
        _NOTED.validate_json(data, strict=True)
        found: dict[str, Any] = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{what}: damaged ({_why(error)}): `bench run` of its suite writes it anew"
        ) from error
    return found


def _why(error: Exception) -> str:
    """The first thing that is wrong, and where."""
    if not isinstance(error, ValidationError):
        return f"file: {error}"
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
