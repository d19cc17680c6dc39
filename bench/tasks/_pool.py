"""The user's rows as one pool, cleaned: inputs, classes, groups, times, and what was noticed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError
from bench.core.inputs import taken
from bench.core.suite import TaskEntry
from bench.core.task import Input, Modality, Split
from bench.tasks._checks import listed
from bench.tasks._dataset import class_ids
from bench.tasks._divide import Division, by_group, latest, stratified
from bench.tasks._media import Media, Several
from bench.tasks._rows import (
    SPLIT_WORDS,
    clean_texts,
    group_ids,
    label_words,
    missing,
    moments,
    transcripts,
)
from bench.tasks._tables import Table

INPUT_COLUMN = {Modality.TEXT: "text", Modality.IMAGE: "image", Modality.AUDIO: "audio"}
LABEL_COLUMN = "label"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that holds inputs, or one part of them; `key` is where the suite names it."""

    modality: Modality
    name: str
    key: str


def columns_of(entry: TaskEntry, modality: Modality) -> tuple[Column, ...]:
    """The columns that inputs are read from: one for each part, or the one there is."""
    if entry.parts:
        return tuple(Column(of, name, f"parts.{of}") for of, name in sorted(entry.parts.items()))
    return (Column(modality, entry.input or INPUT_COLUMN[modality], "input"),)


def require_columns(table: Table, entry: TaskEntry, modality: Modality, *, whole: bool) -> None:
    """Refuse a table that lacks a column of inputs or targets, or of the `whole` data any column
    that the entry names.

    Raises:
        DataError: naming the first.
    """
    wanted = [(column.name, column.key) for column in columns_of(entry, modality)]
    if entry.transcript is not None:
        wanted.append((entry.transcript, "transcript"))
    else:
        wanted.append((entry.label or LABEL_COLUMN, "label"))
    if whole:
        more = (("split", entry.split), ("group", entry.group), ("time", entry.time))
        wanted += [(name, key) for key, name in more if name]
    for name, key in wanted:
        table.column(name, key)


@dataclass(frozen=True, slots=True)
class Pool:
    """All usable rows `(n,)`; `in_test` is None where nothing has divided them yet.

    `classes` `(k,)` are what targets are positions in: class names, or transcripts; `strata`
    `(n,)` what is balanced between the splits: the classes, and of transcripts nothing.
    """

    inputs: Sequence[Input]
    targets: NDArray[np.int64]
    classes: tuple[str, ...]
    strata: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    times: NDArray[np.float64] | None
    in_test: NDArray[np.bool_] | None
    notes: Mapping[str, int]

    def divide(self, share: float) -> Division:
        """As the data say; else by time, by group, or stratified, with `share` for test."""
        if self.in_test is not None:
            return Division(np.flatnonzero(~self.in_test), np.flatnonzero(self.in_test))
        if not len(self.inputs):
            return Division(np.arange(0), np.arange(0))
        if self.times is not None:
            return latest(self.times, share)
        if self.groups is not None:
            return by_group(self.groups, self.strata, share)
        return stratified(self.strata, share)

    def split(self, indices: NDArray[np.int64]) -> Split:
        """The rows at `indices` `(m,)`; images and sounds stay encoded until they are asked for."""
        return Split(
            inputs=taken(self.inputs, indices),
            targets=self.targets[indices],
            groups=None if self.groups is None else self.groups[indices],
        )


def make_pool(parts: Mapping[str, Table], entry: TaskEntry, modality: Modality, where: str) -> Pool:
    """Join the parts (train, test, validation; or train alone, not divided yet) and clean them.

    Rows without an input (or a part of it), a label or a transcript are dropped and counted.

    Raises:
        DataError: if a column is not there, or does not hold what it should.
    """
    train, test, notes = _join(parts, where)
    table = train if test is None else train.join(test)
    no_input = np.zeros(len(table), dtype=np.bool_)
    for column in columns_of(entry, modality):
        values = table.column(column.name, column.key)
        no_input |= np.array([missing(value) for value in values], dtype=np.bool_)
    words = _words(table, entry, where)
    no_word = np.array([word is None for word in words], dtype=np.bool_)
    what = "label" if entry.transcript is None else "transcript"
    notes["rows_dropped_without_input"] = int(no_input.sum())
    notes[f"rows_dropped_without_{what}"] = int((no_word & ~no_input).sum())
    kept = np.flatnonzero(~no_input & ~no_word)
    table = table.take(kept)
    present = [str(words[i]) for i in kept]
    classes = tuple(sorted(set(present)))
    targets = class_ids(present, classes)
    in_test = None if test is None else kept >= len(train)
    ready, noticed = _inputs(table, kept, columns_of(entry, modality), where)
    group, time = entry.group, entry.time
    return Pool(
        inputs=Several(ready) if entry.parts else ready[modality.value],
        targets=targets,
        classes=classes,
        strata=targets if entry.transcript is None else np.zeros_like(targets),
        groups=group_ids(table.column(group, "group"), where, group) if group else None,
        times=moments(table.column(time, "time"), where, time) if time else None,
        in_test=in_test,
        notes={key: count for key, count in {**notes, **noticed}.items() if count},
    )


def _words(table: Table, entry: TaskEntry, where: str) -> list[str | None]:
    """The label or the transcript of each row; None where there is none."""
    if entry.transcript is not None:
        said = table.column(entry.transcript, "transcript")
        return transcripts(said, where, entry.transcript)
    name = entry.label or LABEL_COLUMN
    return label_words(table.column(name, "label"), where, name)


def _join(parts: Mapping[str, Table], where: str) -> tuple[Table, Table | None, dict[str, int]]:
    """Train with validation folded in (tuning has its own rule), test, and what was folded."""
    known: dict[str, Table] = {}
    for name, table in parts.items():
        word = SPLIT_WORDS.get(name.lower())
        if word is None:
            raise DataError(
                f"{where}: split {name!r} is neither train, test nor validation; "
                f"the splits are {listed(parts)}"
            )
        known[word] = known[word].join(table) if word in known else table
    if "train" not in known:
        raise DataError(f"{where}: there is no split 'train'; the splits are {listed(parts)}")
    train, validation = known["train"], known.get("validation")
    if validation is None:
        return train, known.get("test"), {}
    return train.join(validation), known.get("test"), {"validation_in_train": len(validation)}


def _inputs(
    table: Table, rows: NDArray[np.int64], columns: Sequence[Column], where: str
) -> tuple[dict[str, Sequence[Input]], Mapping[str, int]]:
    """The inputs of each modality, ready; and what was mended in texts."""
    ready: dict[str, Sequence[Input]] = {}
    noticed: Mapping[str, int] = {}
    for column in columns:
        if column.modality is Modality.TEXT:
            values = table.column(column.name, column.key)
            cleaned = clean_texts(values, where, column.name, column.key)
            ready[column.modality.value], noticed = cleaned.texts, cleaned.notes
        else:
            ready[column.modality.value] = _media(table, column, rows)
    return ready, noticed


def _media(table: Table, column: Column, rows: NDArray[np.int64]) -> Media:
    """The items of a column that holds files or encoded bytes; others are told by their row."""
    sources: list[Path | bytes] = []
    names = []
    for row, value in zip(rows, table.column(column.name, column.key), strict=True):
        if not isinstance(value, Path | bytes):
            raise DataError(
                f"{table.where}: column {column.name!r} holds a {type(value).__name__} where files "
                f"of {column.modality.value} are wanted; choose another `{column.key}`"
            )
        sources.append(value)
        names.append(str(value.name) if isinstance(value, Path) else f"in row {row + 1}")
    return Media(column.modality, tuple(sources), tuple(names))
