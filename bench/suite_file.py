"""Reading a suite file: TOML, strict, all mistakes at once.

This room knows the form of the file; whether names exist and parameters fit is
checked by the planner, against the plugins.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.core.errors import Mistake, SuiteError, UserError, did_you_mean
from bench.core.method import Scalar
from bench.core.suite import (
    BackboneEntry,
    Budget,
    MethodEntry,
    Suite,
    TaskEntry,
    TrainRule,
)
from bench.core.task import Modality

SECTIONS: Mapping[str, type] = {
    "task": TaskEntry,
    "backbone": BackboneEntry,
    "method": MethodEntry,
}
NESTED: Mapping[str, type] = {"train": TrainRule, "budget": Budget}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
FULL = "full"
"""All of the training pool, as a rule or as the last size of a curve."""
OWN_MODALITIES = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO})
"""What columns of the user's own data may hold."""
CLEAN = "clean"
"""Test inputs as they are, in a list of conditions."""
PLAIN: Mapping[tuple[str, str], Any] = {("train", FULL): {}, ("condition", CLEAN): None}
"""What words of a task's keys stand for."""
BYTES_MOST = 1_000_000
"""A suite is a selection; a larger file is not one."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A suite file as read: the raw tables, and the suite where the form has no mistake."""

    path: str
    raw: Mapping[str, Any]
    suite: Suite | None
    mistakes: tuple[Mistake, ...]

    def entries(self, section: str) -> list[tuple[str, dict[str, Any]]]:
        """The raw tables of `[[section]]` with their key paths, well-formed or not."""
        tables = self.raw.get(section, [])
        if not isinstance(tables, list):
            return []
        return [(f"{section}[{i}]", t) for i, t in enumerate(tables) if isinstance(t, dict)]


def read(path: Path) -> Draft:
    """Read a suite file.

    Raises:
        UserError: if it cannot be read at all.
        SuiteError: if it is no TOML (nothing more can be told then).
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"suite {path} cannot be read: {error.strerror}") from error
    if len(data) > BYTES_MOST:
        raise UserError(f"suite {path} has {len(data):,} bytes; at most {BYTES_MOST:,} are read")
    try:
        raw = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SuiteError(str(path), [Mistake("file", f"not valid TOML: {error}")]) from error
    return parse(raw, path)


def parse(raw: Mapping[str, Any], path: Path) -> Draft:
    """Check the form of already parsed TOML; `path` gives the folder of `file:` URIs."""
    mistakes: list[Mistake] = [
        Mistake(key, f"unknown section{did_you_mean(key, ('suite', *SECTIONS))}")
        for key in raw
        if key not in {"suite", *SECTIONS}
    ]
    head = raw.get("suite", {})
    if not isinstance(head, dict) or not head:
        mistakes.append(Mistake("suite", "a [suite] table with at least a name is needed"))
        head = {}
    entries: dict[str, list[Any]] = {}
    for section, kind in SECTIONS.items():
        tables = raw.get(section, [])
        if not isinstance(tables, list):
            mistakes.append(Mistake(section, f"write [[{section}]], with two brackets each side"))
            tables = []
        entries[section] = [
            entry
            for i, table in enumerate(tables)
            for entry in _entries(kind, f"{section}[{i}]", table, mistakes)
        ]
    mistakes.extend(
        Mistake(section, f"at least one [[{section}]] is needed")
        for section in ("task", "method")
        if not entries[section]
    )
    own = {"tasks", "backbones", "methods", "folder"}
    allowed = {f.name for f in dataclasses.fields(Suite)} - own
    name = head.get("name")
    if isinstance(name, str) and not NAME.fullmatch(name):
        mistakes.append(
            Mistake("suite.name", f"{name!r}: a folder is named after it: letters, digits, . _ -")
        )
    shell = _entry(Suite, "suite", head, mistakes, allowed=allowed, folder=str(path.parent))
    suite = None
    if not mistakes and shell is not None:
        suite = dataclasses.replace(
            shell,
            tasks=tuple(entries["task"]),
            backbones=tuple(entries["backbone"]),
            methods=tuple(entries["method"]),
        )
    return Draft(str(path), raw, suite, tuple(mistakes))


def _entries(kind: type, where: str, table: Any, mistakes: list[Mistake]) -> list[Any]:
    """One entry, or of a task with a list of sizes one for each of them."""
    if kind is TaskEntry and isinstance(table, dict) and "conditions" in table:
        return _under_conditions(where, dict(table), mistakes)
    train = table.get("train") if kind is TaskEntry and isinstance(table, dict) else None
    sizes = train.get("per_class") if isinstance(train, dict) else None
    if not isinstance(train, dict) or not isinstance(sizes, list):
        return [_entry(kind, where, table, mistakes)]
    found = _size_mistakes(f"{where}.train.per_class", sizes)
    mistakes.extend(found)
    # the rest of the entry is looked at once, whatever its sizes
    made = _entry(kind, where, {**table, "train": {**train, "per_class": 1}}, mistakes)
    if made is None or found:
        return [None]
    return [dataclasses.replace(made, train=_rule_of(made.train, size)) for size in sizes]


def _under_conditions(where: str, table: dict[str, Any], mistakes: list[Mistake]) -> list[Any]:
    """One entry for each of a list of conditions of the test inputs; "clean" is none."""
    conditions = table.pop("conditions")
    if "condition" in table:
        mistakes.append(Mistake(f"{where}.condition", "give condition or conditions, not both"))
    if (
        not isinstance(conditions, list)
        or not conditions
        or len(set(map(str, conditions))) < len(conditions)
    ):
        mistakes.append(Mistake(f"{where}.conditions", 'wants different names: ["clean", ...]'))
        conditions = [CLEAN]
    found = _entries(TaskEntry, where, table, mistakes)
    return [
        made and dataclasses.replace(made, condition=None if name == CLEAN else str(name))
        for name in conditions
        for made in found
    ]


def _rule_of(rule: TrainRule, size: int | str) -> TrainRule:
    """The rule for one size; all of the pool is what `train = "full"` is, and the same cells."""
    if isinstance(size, str):
        return TrainRule()
    return dataclasses.replace(rule, per_class=size)


def _size_mistakes(where: str, sizes: list[Any]) -> list[Mistake]:
    """What is wrong with a list of sizes: nothing in it, no size, or one that stands twice."""
    if not sizes:
        return [Mistake(where, f'is empty: give sizes from 1 on, or "{FULL}"')]
    found: list[Mistake] = []
    seen: set[int | str] = set()
    for i, size in enumerate(sizes):
        number = isinstance(size, int) and not isinstance(size, bool)
        if size != FULL and not (number and size >= 1):
            message = f'{size!r}: a size is a whole number from 1 on, or "{FULL}"'
            found.append(Mistake(f"{where}[{i}]", message))
        elif size in seen:
            found.append(Mistake(f"{where}[{i}]", f"{size!r} stands twice"))
        else:
            seen.add(size)
    return found


def _entry(
    kind: type,
    where: str,
    table: Any,
    mistakes: list[Mistake],
    allowed: set[str] | None = None,
    **extra: Any,
) -> Any:
    """One table as its dataclass, or None with its mistakes noted."""
    if not isinstance(table, dict):
        mistakes.append(Mistake(where, f"{table!r} is not a table"))
        return None
    before = len(mistakes)
    table = dict(table)
    if kind is MethodEntry:
        if "teacher" in table:  # one word for one member
            teacher = table.pop("teacher")
            if "members" in table:
                message = "is another word for members: give one of the two"
                mistakes.append(Mistake(f"{where}.teacher", message))
            table.setdefault("members", [teacher])
        own = {"name", "label", "members", "backbones"}
        given = {key: table.pop(key) for key in list(table) if key not in own}
        table["parameters"] = {k: v for k, v in given.items() if isinstance(v, Scalar)}
        mistakes.extend(
            Mistake(f"{where}.{key}", f"{value!r}: a parameter is one number, word or truth value")
            for key, value in given.items()
            if not isinstance(value, Scalar)
        )
    if kind is TaskEntry:
        table |= {key: plain for (key, word), plain in PLAIN.items() if table.get(key) == word}
    _unknown(kind, where, table, mistakes, allowed)
    for key, nested in NESTED.items():
        if isinstance(table.get(key), dict) and kind is not MethodEntry:
            table[key] = dict(table[key])
            _unknown(nested, f"{where}.{key}", table[key], mistakes, None)
    try:
        # JSON mode is strict about types and still reads words of a closed vocabulary
        text = json.dumps({**table, **extra}, default=str)
        made: Any = TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        mistakes.extend(_mistake(where, found) for found in error.errors())
        return None
    if isinstance(made, TaskEntry):
        mistakes.extend(_task_mistakes(where, made))
    return made if len(mistakes) == before else None


def _unknown(
    kind: type, where: str, table: dict[str, Any], mistakes: list[Mistake], allowed: set[str] | None
) -> None:
    """Note and remove keys that `kind` does not have."""
    known = allowed or {field.name for field in dataclasses.fields(kind)}
    for key in [key for key in table if key not in known]:
        del table[key]
        mistakes.append(Mistake(f"{where}.{key}", f"unknown key{did_you_mean(key, known)}"))


def _mistake(where: str, found: Any) -> Mistake:
    """Translate one of pydantic's errors."""
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in found["loc"])
    if kind := {"missing": "this key is needed", "missing_argument": "this key is needed"}.get(
        found["type"]
    ):
        return Mistake(f"{where}{path}", kind)
    message = found["msg"].replace("Input should be", "should be")
    near = ""
    if found["type"] == "enum" and isinstance(found["input"], str):
        words = found["ctx"]["expected"].replace(" or ", ", ").split(", ")
        near = did_you_mean(found["input"], [word.strip("'") for word in words])
        near = near if "did you mean" in near else ""
    return Mistake(f"{where}{path}", f"{found['input']!r}: {message}{near}")


def _task_mistakes(where: str, entry: TaskEntry) -> list[Mistake]:
    """What no single key can tell."""
    found = []
    if entry.train.per_class is not None and entry.train.size is not None:
        found.append(Mistake(f"{where}.train", "give per_class or size, not both"))
    elif entry.train.full and entry.train != TrainRule():
        message = "sampling and validation_extra are of a part of the pool: add per_class or size"
        found.append(Mistake(f"{where}.train", message))
    if entry.data is None:
        own = (
            *("test", "split", "group", "time", "input", "parts", "label", "transcript"),
            *("class_names", "modality"),
        )
        found += [
            Mistake(f"{where}.{key}", "is for your own data: it needs `data` beside it")
            for key in own
            if getattr(entry, key)
        ]
    else:
        found += _own_mistakes(where, entry)
    ways = [key for key in ("test", "split", "time") if getattr(entry, key)]
    if len(ways) > 1:
        found.append(Mistake(where, f"give one way to divide, not {' and '.join(ways)}"))
    return found


def _own_mistakes(where: str, entry: TaskEntry) -> list[Mistake]:
    """What does not go together in an entry of the user's own data."""
    found = []
    if entry.test_on is not None:
        message = "is for tasks by name; your own data say test = ... for other test items"
        found.append(Mistake(f"{where}.test_on", message))
    if entry.parts:
        found += _part_mistakes(where, entry)
    elif entry.modality is not None and entry.modality not in OWN_MODALITIES:
        message = (
            f'"{entry.modality}": your own data are text, image or audio; inputs of several parts '
            'say parts = { image = "column", text = "column" }'
        )
        found.append(Mistake(f"{where}.modality", message))
    if entry.transcript is not None:
        found += _transcript_mistakes(where, entry)
    return found


def _part_mistakes(where: str, entry: TaskEntry) -> list[Mistake]:
    """What does not go with parts, each of which is a column of one modality."""
    found = []
    if len(entry.parts) < 2 or not OWN_MODALITIES.issuperset(entry.parts):
        message = (
            'wants two or three of text, image and audio: { image = "column", text = "column" }'
        )
        found.append(Mistake(f"{where}.parts", message))
    for key in ("input", "modality"):
        if getattr(entry, key) is not None:
            message = "is said by parts: drop it, or drop parts"
            found.append(Mistake(f"{where}.{key}", message))
    return found


def _transcript_mistakes(where: str, entry: TaskEntry) -> list[Mistake]:
    """What does not go with a column of transcripts: they are of sounds, and no classes."""
    wrong = {
        "label": entry.label and "is in place of transcript: give one of the two",
        "class_names": entry.class_names and "is of classes, and transcripts are none; drop it",
        "train.per_class": entry.train.per_class
        and 'is of classes, and transcripts are none; write { size = 100 } or "full"',
    }
    found = [Mistake(f"{where}.{key}", message) for key, message in wrong.items() if message]
    if entry.parts:
        message = "is of sounds alone: it does not go with parts"
        found.append(Mistake(f"{where}.transcript", message))
    elif entry.modality is not Modality.AUDIO:
        message = 'is what is said in sounds: it needs modality = "audio" beside it'
        found.append(Mistake(f"{where}.transcript", message))
    return found
