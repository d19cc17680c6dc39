"""What the gate can say of a row, and of everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Verdict(StrEnum):
    """Of one row, or overall; in falling order of what decides."""

    REGRESSION = "regression"  # shown to be worse, by more than the margin
    UNDECIDED = "undecided"  # cannot be compared, and the reason says why: never a pass
    BETTER = "better"  # shown to be better, by more than the margin
    PASS = "pass"  # noqa: S105 -- compared, and nothing beyond the margin was shown
    SAME = "same"  # every prediction is the baseline's
    NEW = "new"  # in the candidate alone


EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.REGRESSION: 1,
    Verdict.UNDECIDED: 3,
    Verdict.BETTER: 0,
    Verdict.PASS: 0,
    Verdict.SAME: 0,
    Verdict.NEW: 0,
}
"""What `bench gate` exits with; 2 stays a mistake of the user's."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Overall: a regression anywhere, else undecided anywhere, else pass."""
    found = set(verdicts)
    for verdict in (Verdict.REGRESSION, Verdict.UNDECIDED):
        if verdict in found:
            return verdict
    return Verdict.PASS
