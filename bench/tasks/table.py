"""The user's own data, without Python: a table, a folder of files, or a data set of the hub.

Everything that decides items, classes and splits comes from the suite's entry and is part
of the fingerprint; whatever was dropped or mended is counted in the notes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from bench.assets import absolute_file, file_path, pinned_digest, pinned_uri, resolve
from bench.core.asset import Asset, Source
from bench.core.errors import DataError, UserError
from bench.core.suite import TaskEntry
from bench.core.task import Modality, RareRule, Splits, TaskKind, TaskSpec
from bench.tasks._checks import check, listed, said_before
from bench.tasks._media import files_digest, inside, read_folders
from bench.tasks._pool import (
    INPUT_COLUMN,
    LABEL_COLUMN,
    Column,
    Pool,
    columns_of,
    make_pool,
    require_columns,
)
from bench.tasks._rows import by_split_column, missing, readable
from bench.tasks._tables import READERS, Table, header_of, read_snapshot, read_table

READER_VERSION = 1
"""Raised when the same data would give other items, classes or splits."""

MOST_BYTES_AHEAD = 64_000_000
"""Of tables that are read before a run, to say what it will cost."""
CHARACTERS_A_TOKEN = 4.0
"""Of English texts in BERT's WordPiece, about: of 1,500 film reviews 4.1, news 4.9, a bank's and
TREC's questions 3.6 and 3.5, the two tokens around each counted."""
TRANSCRIPTS_IN_TRAIN = "test_transcripts_in_train"
"""Note: how many test items say what is also said in training, by whomever (`group` parts them)."""
FILES_OF = {Modality.IMAGE: "images", Modality.AUDIO: "sounds"}
FILE, HTTPS, HUB = "file:", "https:", "hub:datasets/"


@dataclass(frozen=True, slots=True)
class OwnData:
    """A task made from a suite's entry; `folder` is where its `file:` URIs start."""

    spec: TaskSpec
    entry: TaskEntry
    folder: Path

    def load(self) -> Splits:
        """Read, clean, divide and check the data.

        Raises:
            AssetError: if the bytes cannot be had.
            DataError: if they do not have what the entry says.
        """
        (asset,) = self.spec.assets
        where = _where(self.entry)
        pool = self._pool(resolve(asset))
        division = pool.divide(self.entry.test_share)
        splits = Splits(
            train=pool.split(division.train),
            test=pool.split(division.test),
            class_names=readable(pool.classes, self.entry.class_names, where),
            notes=pool.notes,
        )
        check(splits, self.spec)
        if self.spec.kind is TaskKind.TRANSCRIPTION:
            known = {TRANSCRIPTS_IN_TRAIN: said_before(splits)}
            return dataclasses.replace(splits, notes={**splits.notes, **known})
        return splits

    def sized(self) -> TaskSpec:
        """The description with its sizes, for a forecast: of files beside the suite that are read
        in a second or so; of others as it is. Nothing is decoded.

        Raises:
            DataError: if the data do not have what the entry says.
        """
        uris = _uris(self.entry)
        if not all(uri.startswith(FILE) for uri in uris.values()):
            return self.spec
        paths = {
            _path_in_asset(name, uri): file_path(uri, self.folder) for name, uri in uris.items()
        }
        if sum(path.stat().st_size for path in paths.values()) > MOST_BYTES_AHEAD:
            return self.spec
        pool = self._pool(paths)
        readable(pool.classes, self.entry.class_names, _where(self.entry))
        division = pool.divide(self.entry.test_share)
        units = 1.0
        if self.spec.modality is Modality.TEXT and len(pool.inputs):
            units = max(1.0, float(np.mean([len(x) for x in pool.inputs])) / CHARACTERS_A_TOKEN)
        return dataclasses.replace(
            self.spec,
            train_size=len(division.train),
            test_size=len(division.test),
            classes=len(pool.classes) if self.spec.kind is TaskKind.CLASSIFICATION else 0,
            units=units,
        )

    def _pool(self, files: Mapping[str, Path]) -> Pool:
        where = _where(self.entry)
        return make_pool(self._parts(files), self.entry, self.spec.modality, where)

    def _parts(self, files: Mapping[str, Path]) -> dict[str, Table]:
        """The tables by split; "train" alone where nothing has divided them yet."""
        entry, where = self.entry, _where(self.entry)
        read = {name: self._read(name, uri, files) for name, uri in _uris(entry).items()}
        data = read["data"]
        if len(data) > 1 and (entry.test or entry.split):
            given = "test" if entry.test else "split"
            raise DataError(f"{where}: the data come divided into {listed(data)}; drop `{given}`")
        if entry.test is not None:
            own = read["test"]
            for table in own.values():
                require_columns(table, entry, self.spec.modality, whole=False)
            return {**data, "test": own["test"] if "test" in own else next(iter(own.values()))}
        if entry.split is not None:
            return by_split_column(next(iter(data.values())), entry.split)
        return data

    def _read(self, name: str, uri: str, files: Mapping[str, Path]) -> dict[str, Table]:
        path = files[_path_in_asset(name, uri)]
        where = f"{_where(self.entry)}, {uri}"
        if uri.startswith(HUB):
            return read_snapshot(path, where)
        if path.is_dir():
            return {
                split: Table(
                    where,
                    {
                        INPUT_COLUMN[self.spec.modality]: [file for file, _ in found],
                        LABEL_COLUMN: [label for _, label in found],
                    },
                )
                for split, found in read_folders(path, where, self.spec.modality).items()
            }
        table = read_table(path, where)
        for column in columns_of(self.entry, self.spec.modality):
            if column.modality in FILES_OF:
                table = _with_files(table, column, file_path(uri, self.folder).parent)
        return {"train": table}


def from_entry(entry: TaskEntry, folder: Path, pins: Mapping[str, str]) -> OwnData:
    """Describe the user's data; a table of image paths is read for it, others are not.

    `pins` maps the URIs of the entry, as they stand there, to sha256 digests.

    Raises:
        UserError: if the entry contradicts itself, or names files or columns that are not there.
    """
    modality = _modality(entry, folder)
    _require_columns(entry, folder, modality)
    settings = {**_settings(entry, modality), **_file_digests(entry, folder, modality)}
    asset = Asset(
        name=entry.name,
        sources=tuple(_source(name, uri, folder, pins) for name, uri in _uris(entry).items()),
        license=entry.license,
    )
    said = entry.transcript is not None
    spec = TaskSpec(
        name=entry.name,
        version=1,
        modality=modality,
        summary=f"your own data: {entry.data}",
        assets=(asset,),
        kind=TaskKind.TRANSCRIPTION if said else TaskKind.CLASSIFICATION,
        main_metric=entry.main_metric or ("word_accuracy" if said else "accuracy"),
        rare=RareRule.NO_CLASSES if said else RareRule.ERROR,
        settings=settings,
        parts={of.value: of for of in entry.parts},
    )
    return OwnData(spec, entry, folder)


def _where(entry: TaskEntry) -> str:
    return f"task {entry.name!r}"


def _uris(entry: TaskEntry) -> dict[str, str]:
    given = {"data": entry.data, "test": entry.test}
    return {name: uri for name, uri in given.items() if uri is not None}


def _modality(entry: TaskEntry, folder: Path) -> Modality:
    """What the entry says, or what its data must be; contradictions are mistakes."""
    where = _where(entry)
    for name, uri in _uris(entry).items():
        if not uri.startswith((FILE, HTTPS, HUB)):
            raise UserError(
                f'{where}: {name} = {uri!r} has no known beginning; write "file:{uri}" for a file '
                f'beside the suite, "https://...", or "{HUB}ORG/NAME@REVISION"'
            )
        if uri.startswith(FILE) and not file_path(uri, folder).exists():
            raise UserError(
                f"{where}: {name} = {uri!r} is not there (looked in the suite's folder)"
            )
    if not entry.test_share < 1:
        raise UserError(f"{where}: test_share = {entry.test_share:g} leaves nothing to train on")
    if _is_folder(entry, folder):
        if entry.modality is Modality.TEXT:
            raise UserError(
                f"{where}: a folder holds images or audio, but modality is {entry.modality}"
            )
        if entry.transcript is not None:
            raise UserError(
                f"{where}: a folder of files has no transcripts; name a table instead, with a "
                "column of files and one of what is said in them"
            )
        columns = ("input", "parts", "label", "split", "group", "time")
        given = [key for key in columns if getattr(entry, key)]
        if given:
            raise UserError(f"{where}: a folder of files has no columns; drop {listed(given)}")
        return entry.modality or Modality.IMAGE
    return Modality.SEVERAL if entry.parts else entry.modality or Modality.TEXT


def _require_columns(entry: TaskEntry, folder: Path, modality: Modality) -> None:
    """Look at the first line of files beside the suite, before anything is downloaded or run."""
    for name, uri in _uris(entry).items():
        if uri.startswith(FILE) and (path := file_path(uri, folder)).is_file():
            table = header_of(path, f"{_where(entry)}, {uri}")
            if table is not None:
                require_columns(table, entry, modality, whole=name == "data")


def _settings(entry: TaskEntry, modality: Modality) -> dict[str, object]:
    """What decides items and splits beside the bytes, with defaults resolved."""
    fixed = entry.test is None and entry.split is None
    target = {"label": entry.label or LABEL_COLUMN}
    if entry.transcript is not None:
        target = {"transcript": entry.transcript}
    columns = columns_of(entry, modality)
    parts = {column.modality.value: column.name for column in columns}
    names = dict(entry.class_names)  # methods read them: zero-shot, prompt
    return {
        "reader": READER_VERSION,
        "modality": modality.value,
        **({"parts": parts} if entry.parts else {"input": columns[0].name}),
        **target,
        "split": entry.split,
        "group": entry.group,
        "time": entry.time,
        "test_share": entry.test_share if fixed else None,
        **({"class_names": names} if names else {}),
    }


def _source(name: str, uri: str, folder: Path, pins: Mapping[str, str]) -> Source:
    absolute = absolute_file(uri, folder)
    is_folder = uri.startswith(FILE) and file_path(uri, folder).is_dir()
    return Source(
        path=_path_in_asset(name, uri),
        uris=(pinned_uri(absolute, pins),),
        sha256=pinned_digest(uri, pins, folder),
        tree=is_folder or uri.startswith(HUB),
    )


def _path_in_asset(name: str, uri: str) -> str:
    """ "data.csv", "test.csv": the form of a file is kept, its name is not (it may be private)."""
    return name + ("" if uri.startswith(HUB) else PurePosixPath(uri).suffix.lower())


def _is_folder(entry: TaskEntry, folder: Path) -> bool:
    data = str(entry.data)
    return data.startswith(FILE) and file_path(data, folder).is_dir()


def _with_files(table: Table, column: Column, base: Path) -> Table:
    """The table with paths of images or sounds, which must lie under `base`, as files."""
    where, word = table.where, column.modality.value
    files = [
        None if missing(value) or value == "" else inside(base, str(value), where, word)
        for value in table.column(column.name, column.key)
    ]
    return Table(table.where, {**table.columns, column.name: files})


def _file_digests(entry: TaskEntry, folder: Path, modality: Modality) -> dict[str, object]:
    """One sha256 over the files that each table names: the table's own does not cover them."""
    found: dict[str, object] = {}
    columns = [column for column in columns_of(entry, modality) if column.modality in FILES_OF]
    for name, uri in _uris(entry).items():
        is_table = uri.startswith(FILE) and PurePosixPath(uri).suffix.lower() in READERS
        if not columns or not is_table:
            continue
        path = file_path(uri, folder)
        table = read_table(path, f"{_where(entry)}, {uri}")
        for column in columns:
            values = table.column(column.name, column.key)
            names = [str(value) for value in values if not missing(value) and value != ""]
            found[f"{name}_{FILES_OF[column.modality]}"] = files_digest(
                path.parent, names, table.where, column.modality.value
            )
    return found
