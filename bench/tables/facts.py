"""What loading and extraction noticed of a problem's data, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.core.metrics import TRANSCRIPTION
from bench.core.record import Record

NAMED = 5
"""Classes named at most; the records have all of them."""


def facts(records: Iterable[Record]) -> str:
    """Classes, leaks, truncation and small classes; the same for all records of a problem."""
    known = [record for record in records if record.data is not None]
    if not known:
        return ""
    data = next(record.data for record in known if record.data is not None)
    kind = "different transcripts" if known[0].main_metric in TRANSCRIPTION else "classes"
    said = [f"{data.classes:,} {kind}."]
    if data.duplicates_train_test:
        said.append(f"{data.duplicates_train_test:,} test items also stand in the training pool.")
    said += [
        f"{share:.1%} of the inputs are cut by {backbone}."
        for backbone, share in sorted(_cut(known).items())
        if share >= 0.0005
    ]
    said += _few("had fewer items than asked for", data.capped)
    said += _few("stayed out of validation, being rare", data.rare)
    if data.notes:
        counts = (f"{name.replace('_', ' ')} {value}" for name, value in sorted(data.notes.items()))
        said.append(f"At loading: {', '.join(counts)}.")
    return " ".join(said)


def _cut(records: Iterable[Record]) -> dict[str, float]:
    """The largest share of truncated inputs, by backbone, untrained twins and controls aside."""
    found: dict[str, float] = {}
    for record in records:
        if record.control is None and record.extraction is not None:
            share = record.extraction.truncated_share or 0.0
            found[record.backbone] = max(found.get(record.backbone, 0.0), share)
    return found


def _few(what: str, classes: Mapping[str, int]) -> list[str]:
    if not classes:
        return []
    named = sorted(classes.items(), key=lambda pair: (pair[1], pair[0]))
    words = ", ".join(f"{name} ({count})" for name, count in named[:NAMED])
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return [f"{len(named)} classes {what}: {words}{more}."]
