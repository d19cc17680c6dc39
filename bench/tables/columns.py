"""What a table of text is made of, for the formats that people read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.tables import cells


@dataclass(frozen=True, slots=True)
class Column:
    """Cells of one column, not escaped. `outside` words have to be, ours need it nowhere."""

    head: str
    cells: tuple[str, ...]
    outside: bool = False

    @property
    def empty(self) -> bool:
        return all(cell in {"", cells.NONE} for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Section:
    """One table with its title and what is to be said about it."""

    title: str
    note: str
    columns: tuple[Column, ...]


def own(head: str, values: Iterable[str]) -> Column:
    """A column of our words and numbers."""
    return Column(head, tuple(values))


def outside(head: str, values: Iterable[str]) -> Column:
    """A column of words that may hold anything."""
    return Column(head, tuple(values), outside=True)
