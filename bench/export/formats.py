"""One format of a folder's results, as text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.core.errors import UserError, did_you_mean
from bench.export.model_index import model_index
from bench.export.mteb import mteb_results, needed
from bench.export.overview import overview
from bench.store import Store
from bench.tables import Board, board
from bench.tables.rows import Row


class Format(StrEnum):
    """What results can be exported as."""

    MODEL_INDEX = "model-index"  # for a model card of the hub, YAML
    MTEB = "mteb"  # for MTEB's results, JSON
    OVERVIEW = "overview"  # of a folder of published folders, Markdown
    ALL = "all"  # every file that is derived from a published folder, or from all in a folder


FORMATS = tuple(each.value for each in Format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which rows of a board: by any of their names, all where none is given."""

    task: str | None = None
    backbone: str | None = None
    method: str | None = None

    def rows(self, found: Board) -> list[Row]:
        """The rows that are meant.

        Raises:
            UserError: naming what has no row, and what is near.
        """
        rows = [row for row in found.rows if row.control is None]
        for word, wanted in (
            ("task", self.task),
            ("backbone", self.backbone),
            ("method", self.method),
        ):
            names = dict.fromkeys(_name(row, word) for row in rows)
            if wanted is not None and wanted not in names:
                raise UserError(
                    f"{found.suite} has no result of {word} {wanted!r}{did_you_mean(wanted, names)}"
                )
            rows = [row for row in rows if wanted in {None, _name(row, word)}]
        return rows


def export(folder: Path, format: str, chosen: Chosen | None = None) -> str:  # noqa: A002
    """The results of a folder in one of the formats.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
        UserError: for another format or all of them, names without a result, or where not
            exactly one result is one of MTEB's.
    """
    chosen = chosen or Chosen()
    if format not in FORMATS:
        raise UserError(f"nothing is exported as {format!r}{did_you_mean(format, FORMATS)}")
    if format == Format.OVERVIEW:
        return overview(folder)
    if format == Format.ALL:
        raise UserError("all formats are files, and not printed: add --write")
    store = Store(folder)
    found = board(store)
    rows = chosen.rows(found)
    return model_index(found, rows) if format == Format.MODEL_INDEX else _mteb(store, rows)


def _mteb(store: Store, rows: list[Row]) -> str:
    results = list(mteb_results(store, rows))
    if not results:
        raise UserError(
            f"nothing in {store.folder} follows MTEB's protocol, which needs {needed()}:"
            " suites/mteb-banking77.toml is such a suite"
        )
    if len(results) > 1:
        named = ", ".join(f"{r.row.problem.task} / {r.row.backbone}" for r in results)
        raise UserError(f"a file holds one of MTEB's results, here are {named}: choose one")
    return results[0].text


def _name(row: Row, word: str) -> str:
    return row.problem.task if word == "task" else str(getattr(row, word))
