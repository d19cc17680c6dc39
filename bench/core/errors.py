"""Everything that can go wrong on purpose.

`UserError` is a mistake of the user's (or of the world outside): the command
line prints its message without a traceback and exits with 2.  `CellError` is
the typed failure of one cell: it is kept in that cell's record and costs that
cell alone.  Anything else is a bug of ours and prints with its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.core.amounts import counted


class BenchError(Exception):
    """Base of every error that this project raises on purpose."""


class UserError(BenchError):
    """A mistake that the user can mend; printed as one clear message."""


class AssetError(UserError):
    """Bytes from outside could not be had, or were not what they should be."""


class DigestMismatchError(AssetError):
    """The bytes that came are not the bytes that were promised."""

    def __init__(self, what: str, expected: str, actual: str) -> None:
        self.what, self.expected, self.actual = what, expected, actual
        super().__init__(
            f"{what}: sha256 is {actual}, but {expected} was expected; "
            "the source changed or was damaged: delete it and fetch again, or pin the new digest"
        )


class DataError(UserError):
    """A data set does not have what the suite says it has."""


class StoreError(UserError):
    """A record or the folder of records cannot be read or written."""


class DamagedError(StoreError):
    """A file of a folder of records is not what was written; `with_it` has to go where it goes."""

    def __init__(self, file: str, why: str, with_it: str = "") -> None:
        self.why = why
        super().__init__(
            f"{file}: {why}: restore it, or remove it{with_it}, and `bench run` does its cell"
            " again; `bench results verify` names every damaged file"
        )


class DiskFullError(StoreError):
    """There is no room left on a disk: nothing more can be recorded."""


class CellError(BenchError):
    """One cell cannot give a result; its record says why."""

    kind = "error"


class DivergedError(CellError):
    """Training or prediction gave NaN or Inf: never a score."""

    kind = "diverged"


class UnstorableError(CellError):
    """A result that is no plain data, or holds NaN or Inf: a record cannot have it."""

    kind = "unstorable"


class NotApplicableError(CellError):
    """This method cannot work on this task or backbone."""

    kind = "not-applicable"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a suite file: where (`task[0].train.per_class`), and what is wrong."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SuiteError(UserError):
    """All mistakes of a suite file at once."""

    def __init__(self, path: str, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        count = counted(len(self.mistakes), "mistake")
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{path}: {count}\n{lines}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known word, or the list when nothing is near."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(words)}" if words else ""
