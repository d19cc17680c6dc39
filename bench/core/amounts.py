"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """`1 cell`, `2 cells`, `10,000 cells`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
