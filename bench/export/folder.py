"""All that a published folder holds beside its records: derived, written, and checked again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.export.model_index import model_index
from bench.export.mteb import mteb_results
from bench.export.overview import NAME as OVERVIEW
from bench.export.overview import page, published
from bench.store import Store, replace
from bench.tables import Board, board, render
from bench.tables.render import FILES

MODEL_INDEX = "model-index.yaml"


def written(folder: Path) -> dict[str, bytes]:
    """Every derived file of a folder, by its path in it: tables, model cards, MTEB's results.

    Raises:
        StoreError: if the folder holds no run, or a file in it is damaged.
    """
    store = Store(folder)
    return _derived(store, board(store))


def write(folder: Path) -> list[Path]:
    """Write every derived file, and remove those that the records no longer give; those written.

    Raises:
        StoreError: if the folder holds no run, a file is damaged, or cannot be written.
    """
    return _put(folder, written(folder))


def write_all(results: Path) -> list[Path]:
    """Write every derived file of each published folder in `results`, and the page over them.

    Raises:
        StoreError: as `write` does, or if there is no published folder.
    """
    paths, boards = [], {}
    for folder in published(results):
        store = Store(folder)
        boards[folder] = board(store)
        paths += _put(folder, _derived(store, boards[folder]))
    replace(results / OVERVIEW, page(results, boards).encode("utf-8"))
    return [*paths, results / OVERVIEW]


def check(folder: Path) -> list[str]:
    """What of a folder's derived files is not what its records give: a line a file.

    So no number in them can be other than the records say, byte for byte.

    Raises:
        StoreError: if the folder holds no run, or a record is damaged.
    """
    derived, there = written(folder), _there(folder)
    found = [
        f"{folder / name}: not there, though the records give it"
        if name not in there
        else f"{folder / name}: not what the records give"
        for name, data in derived.items()
        if name not in there or (folder / name).read_bytes() != data
    ]
    return found + [f"{folder / n}: the records give none" for n in sorted(there - set(derived))]


def _derived(store: Store, found: Board) -> dict[str, bytes]:
    texts = {name: render(found, kind) for kind, name in FILES.items()}
    if cards := model_index(found, found.rows):
        texts[MODEL_INDEX] = cards
    for result in mteb_results(store, found.rows):
        texts[f"mteb/{result.folder}/{result.name}"] = result.text
    return {name: text.encode("utf-8") for name, text in texts.items()}


def _put(folder: Path, derived: Mapping[str, bytes]) -> list[Path]:
    for name in _there(folder) - set(derived):
        (folder / name).unlink()
    for name, data in derived.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        replace(folder / name, data)
    return [folder / name for name in derived]


def _there(folder: Path) -> set[str]:
    """Derived files that lie in a folder, by their path in it."""
    patterns = (*FILES.values(), MODEL_INDEX, "mteb/*/*.json")
    return {path.relative_to(folder).as_posix() for each in patterns for path in folder.glob(each)}
