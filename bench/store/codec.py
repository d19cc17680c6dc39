"""A record as bytes: JSON with its own checksum and the number of its schema."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from enum import Enum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.core.errors import DamagedError, StoreError, UnstorableError
from bench.core.record import SCHEMA, Record

_RECORD = TypeAdapter(Record)

_FRAME = b'{"checksum": "', b'", "record": ', b"}\n"

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From schema `n` to `n + 1`; empty while there is one schema."""


def encode(record: Record) -> bytes:
    """A record as JSON with its own checksum.

    Raises:
        UnstorableError: if a number is NaN or Inf, or a value is no plain data.
    """
    body = _body(record)
    checksum = hashlib.sha256(body.encode("ascii")).hexdigest()
    return f'{{"checksum": "{checksum}", "record": {body}}}\n'.encode("ascii")


def _body(record: Record) -> str:
    """JSON of a record, its numbers plain.

    Raises:
        UnstorableError: if one is NaN or Inf, or something is no number, word or truth at all.
    """
    where = f"record {record.run_id[:12]}.{record.attempt}"
    parts = {
        name: {key: _plain(value, f"{where}: {name}.{key}") for key, value in table.items()}
        for name, table in (
            ("metrics", record.metrics),
            ("chance", record.chance),
            ("phases", record.phases),
            ("parameters", record.parameters),
            ("facts", record.facts),
            ("transferability", record.transferability),
        )
    }
    plain = _RECORD.dump_python(dataclasses.replace(record, **parts), mode="json")  # type: ignore[arg-type]
    try:
        return json.dumps(plain, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=True)
    except (ValueError, TypeError) as error:
        raise UnstorableError(
            f"{where}: holds NaN, Inf or something that is no plain data"
        ) from error


def _plain(value: object, what: str) -> str | int | float | bool:
    """A number of numpy's or torch's as Python's own.

    Raises:
        UnstorableError: if it is NaN, Inf, or no scalar.
    """
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str | int | float | bool) or type(value).__module__ != "builtins":
        try:
            value = value.item()  # type: ignore[attr-defined]
        except (AttributeError, ValueError, RuntimeError):
            raise UnstorableError(f"{what}: {type(value).__name__} is no scalar") from None
    if not isinstance(value, str | int | float | bool):
        raise UnstorableError(f"{what}: {type(value).__name__} is no scalar")
    if isinstance(value, float) and not math.isfinite(value):
        raise UnstorableError(f"{what}: {value} is no result")
    return value


def decode(data: bytes, what: str) -> Record:
    """Read one record file; `what` names it in errors.

    Raises:
        DamagedError: if it is no record, or not what was written.
        StoreError: if it is of a newer schema than this version knows.
    """
    body = data[91:-2]
    frame = data[:14] == _FRAME[0] and data[78:91] == _FRAME[1] and data[-2:] == _FRAME[2]
    if (
        not frame
        or not data.isascii()
        or hashlib.sha256(body).hexdigest().encode("ascii") != data[14:78]
    ):
        raise DamagedError(what, "damaged (its checksum does not fit)")
    try:
        record = _RECORD.validate_json(body)  # half the time of `json.loads` and `validate_python`
        if record.schema == SCHEMA:
            return record
    except ValidationError:
        pass  # of another schema, perhaps: the way round says
    return _of_another_schema(body, what)


def _of_another_schema(body: bytes, what: str) -> Record:
    """A record by way of plain data, which migrations take."""
    try:
        plain = json.loads(body)
        schema = plain["schema"]
        if schema > SCHEMA:
            raise StoreError(
                f"{what}: schema {schema} is newer than this bench knows ({SCHEMA}): update bench"
            )
        for step in range(schema, SCHEMA):
            plain = MIGRATIONS[step](plain)
        return _RECORD.validate_python(plain)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DamagedError(what, f"damaged ({type(error).__name__})") from error
