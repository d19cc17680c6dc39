"""A store whose records are read once, however many tables are derived from it."""

from __future__ import annotations

from bench.core.record import Record
from bench.store import Store


class Kept(Store):
    """Records as they were at the first look."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.folder)
        self._final: list[Record] | None = None

    def final(self) -> list[Record]:
        """As `Store.final`."""
        if self._final is None:
            self._final = super().final()
        return list(self._final)
