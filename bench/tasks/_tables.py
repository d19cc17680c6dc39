"""Reading tables of the user's: CSV, TSV, JSON lines, Parquet, and a data set of the hub.

Nothing is guessed: a cell of CSV is text as it stands ("NA" and "null" are words), and a
row that does not fit the header is an error with its line number.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError, UserError, did_you_mean

CHARACTERS_MOST = 100_000_000
"""Of one field of CSV: far beyond any text, and a bound for a file that lost a quote."""


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns of one length; `None` is a missing value."""

    where: str
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str, key: str) -> Sequence[Any]:
        """The values of a column that the suite names under `key`.

        Raises:
            DataError: if there is none of that name.
        """
        if name in self.columns:
            return self.columns[name]
        near = did_you_mean(name, self.columns)
        have = "" if near.startswith("; known") else f" columns: {', '.join(sorted(self.columns))}"
        raise DataError(f"{self.where}: {key} = {name!r} is no column{near}{have}")

    def take(self, indices: NDArray[np.int64]) -> Table:
        """The rows at `indices` `(m,)`, in that order."""
        columns = {name: [values[i] for i in indices] for name, values in self.columns.items()}
        return Table(self.where, columns)

    def join(self, other: Table) -> Table:
        """The rows of both; columns that one of them lacks are missing values there."""
        columns: dict[str, Sequence[Any]] = {}
        for name in dict.fromkeys([*self.columns, *other.columns]):
            mine = self.columns.get(name, [None] * len(self))
            columns[name] = [*mine, *other.columns.get(name, [None] * len(other))]
        return Table(self.where, columns)


def read_table(path: Path, where: str) -> Table:
    """Read one file by its suffix; `where` is its name in messages.

    Raises:
        DataError: if it is damaged, or in no form that is read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{where}: files ending in {path.suffix or 'nothing'!r} are not read; "
            f"known: {', '.join(READERS)}, or a folder with one subfolder of images per class"
        )
    try:
        columns = reader(path, where)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    return Table(where, columns)


def header_of(path: Path, where: str) -> Table | None:
    """A table's columns without its rows, of the forms that have them in their first line; None of
    others, and of what cannot be read: `read_table` says why."""
    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    if delimiter is None:
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            first = next(csv.reader(lines, delimiter=delimiter), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return Table(where, dict.fromkeys(first, ())) if first else None


def _read_csv(path: Path, where: str, delimiter: str = ",") -> dict[str, list[str]]:
    before = csv.field_size_limit(CHARACTERS_MOST)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = next(reader, [])
            if not header:
                raise DataError(f"{where}: its first line names no columns")
            doubles = sorted({name for name in header if header.count(name) > 1})
            if doubles:
                raise DataError(f"{where}: two columns are named {doubles[0]!r}")
            columns: dict[str, list[str]] = {name: [] for name in header}
            for row in reader:
                if len(row) != len(header) and row:
                    raise DataError(
                        f"{where}, line {reader.line_num}: {len(row)} fields, but the header has "
                        f"{len(header)}; a text with {delimiter!r} in it needs quotes"
                    )
                for values, value in zip(columns.values(), row, strict=False):  # blank rows go
                    values.append(value)
    except csv.Error as error:
        raise DataError(
            f"{where}, line {reader.line_num}: {error}; quotes inside a quoted text are doubled"
        ) from error
    finally:
        csv.field_size_limit(before)
    return columns


def _read_tsv(path: Path, where: str) -> dict[str, list[str]]:
    return _read_csv(path, where, delimiter="\t")


def _read_jsonl(path: Path, where: str) -> dict[str, list[Any]]:
    rows: list[dict[str, Any]] = []
    # "\n" alone ends a row: str.splitlines would cut texts at U+2028 and the like
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{where}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{where}, line {number}: {type(row).__name__}, not an object")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_parquet(path: Path, where: str) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{where}: not a readable Parquet file: {error}") from error
    return columns


READERS: Mapping[str, Callable[[Path, str], Mapping[str, Sequence[Any]]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}


def read_snapshot(folder: Path, where: str) -> dict[str, Table]:
    """Read the folder of a hub data set with `datasets`, by split; its code is never run.

    Raises:
        UserError: if `datasets` is not installed.
        DataError: if the folder holds a loading script or cannot be read.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"{where}: data of the hub are read with the package `datasets`, which is not "
            "installed; install it, or save the data as Parquet and name them as file:"
        ) from error
    scripts = sorted(path.name for path in folder.glob("*.py"))
    if scripts:
        raise DataError(
            f"{where}: it has a loading script ({scripts[0]}), and scripts are not run; "
            "choose a revision that holds Parquet files (the hub converts most data sets)"
        )
    with tempfile.TemporaryDirectory(prefix="bench-datasets-") as cache, _no_progress_bars():
        real = folder.resolve()
        # snapshots of the hub's cache consist of links to the blobs beside them
        roots = (real, real.parent.parent / "blobs", Path(cache).resolve())
        try:
            loaded = datasets.load_dataset(str(folder), cache_dir=cache, keep_in_memory=True)
            return {str(split): _plain(rows, where, roots) for split, rows in loaded.items()}
        except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
            if (lacking := _lacking(error)) is not None:
                raise UserError(
                    f"{where}: `datasets` reads data in this form with the package {lacking!r}, "
                    "which is not installed; install it, or choose a revision that holds Parquet "
                    "files"
                ) from error
            first = str(error).strip().split("\n")[0].replace(str(folder), "the snapshot")
            raise DataError(f"{where}: `datasets` cannot read it: {first}") from error


def _lacking(error: BaseException | None) -> str | None:
    """The package whose absence is at the bottom of an error: folders of sounds want torchcodec."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return error.name
        error = error.__cause__
    return None


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _plain(rows: Any, where: str, roots: Sequence[Path]) -> Table:
    """Columns as plain values: class ids as their names, images and sounds as their encoded bytes.

    Columns of other kinds (lists) are left out: nothing here reads them.
    """
    import datasets

    columns: dict[str, Sequence[Any]] = {}
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            cells = rows.cast_column(name, datasets.Image(decode=False))[name]
            columns[name] = [_encoded(cell, where, roots) for cell in cells]
        elif isinstance(feature, datasets.Audio):
            cells = rows.cast_column(name, datasets.Audio(decode=False))[name]
            columns[name] = [_encoded(cell, where, roots) for cell in cells]
        elif isinstance(feature, datasets.ClassLabel):
            known = feature.names
            # -1 is the hub's word for "no label"
            columns[name] = [None if i is None or i < 0 else known[i] for i in rows[name]]
        elif isinstance(feature, datasets.Value):
            columns[name] = list(rows[name])
    return Table(where, columns)


def _encoded(cell: Any, where: str, roots: Sequence[Path]) -> bytes | None:
    """The bytes of an image or a sound; a path in it must lead to the data set's own files."""
    if cell is None:
        return None
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    path = Path(cell["path"]).resolve()
    if not any(path.is_relative_to(root) for root in roots):
        raise DataError(f"{where}: a file of it is a path outside the data set: {cell['path']!r}")
    return path.read_bytes()
