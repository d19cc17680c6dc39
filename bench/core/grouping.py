"""Which records are repeats of one configuration: shared by tables and gate, and pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.core.cell import REPEATS
from bench.core.identity import canonical_json, digest
from bench.core.record import Record

Labels: TypeAlias = tuple[str, str, str]


def in_order(records: Iterable[Record]) -> list[Record]:
    """By draw, then seed, then run id: the order of repeats everywhere."""
    return sorted(records, key=lambda record: (record.draw, record.seed, record.run_id))


def labels_of(record: Record) -> Labels:
    """What a reader knows a row of a task by: backbone, method, control."""
    return record.backbone, record.method, record.control or ""


def configuration_of(record: Record, apart: Collection[str] = REPEATS) -> str:
    """A record's identity without the parts `apart`, as canonical JSON."""
    return canonical_json({key: v for key, v in record.identity.items() if key not in apart})


def mark(configuration: str) -> str:
    """`#1a2b3c`: tells rows apart that share every label."""
    return f"#{digest(configuration)[:6]}"


def over_seeds(
    values: Mapping[int, Sequence[NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Values `(draws, ...)` from those of each draw's seeds, which are averaged.

    Draws are in rising order. Seeds are no replicates: they have their draw in common.
    """
    return np.array([_mean(values[draw]) for draw in sorted(values)])


def _mean(seeds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = seeds[0] if len(seeds) == 1 else np.mean(seeds, axis=0)
    return found
