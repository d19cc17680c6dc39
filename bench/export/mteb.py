"""MTEB's result JSON, for rows that follow the protocol of one of its tasks.

The form is that of `mteb.results.TaskResult`. Its `mteb_version` is null: the protocol is MTEB's,
the code that ran is not. Beside what MTEB writes, `run_ids` names the records, and a `note` says
where the draws may be others than MTEB's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from bench.core.record import Record
from bench.core.suite import Sampling
from bench.store import Items, Store
from bench.tables.plain import dumps
from bench.tables.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One of MTEB's classification tasks: what it is called there, and how it is run."""

    name: str
    revision: str  # of the hub's data set
    languages: tuple[str, ...]
    per_class: int  # samples_per_label
    experiments: int
    subset: str = "default"
    note: str = ""  # what a reader of the result has to know


PROTOCOLS = {
    "banking77": Protocol(
        name="Banking77Classification",
        revision="0fd18e25b25c072e09e0d92ab615fda904d66300",
        languages=("eng-Latn",),
        per_class=8,
        experiments=10,
    ),
    "fsdd": Protocol(
        name="FSDD",
        revision="c34455c99604d35cb8d27328c267be1478efc903",
        languages=("eng-Latn",),
        per_class=8,
        experiments=10,
        note="The recordings and their split are MTEB's. The order of its training rows, on which"
        " its draws depend, is not known to be the one here: take the experiments for other draws"
        " of the same protocol.",
    ),
}
"""By the task's name here. Source: the metadata of mteb 2.26 (`mteb.get_task(name)`).

Of the other tasks none is in MTEB with the same items: its MNIST is all of it (mnist-5k is a part),
Banking77Classification.v2 has other items, and the rest it does not have.
"""

HEAD = {"C": 1.0, "max_iter": 100}
"""scikit-learn's defaults of LogisticRegression, and MTEB's own number of iterations."""


@dataclass(frozen=True, slots=True)
class MtebResult:
    """One result: the row it is of, and its JSON."""

    row: Row
    protocol: Protocol
    text: str

    @property
    def name(self) -> str:
        """What MTEB calls the file."""
        return f"{self.protocol.name}.json"

    @property
    def folder(self) -> str:
        """Of the entrant: letters, digits and a few marks."""
        name = f"{self.row.backbone}__{self.row.method}"
        return re.sub(r"[^0-9A-Za-z._-]+", "-", name)[:100].strip(".-") or "entrant"


def mteb_results(store: Store, rows: Sequence[Row]) -> Iterator[MtebResult]:
    """The results of those of `rows` that follow a protocol of MTEB's, in their order.

    Raises:
        StoreError: if predictions are missing or damaged.
    """
    if not any(row.problem.task in PROTOCOLS for row in rows):
        return
    known = {record.run_id: record for record in store.final()}
    for row in rows:
        protocol = PROTOCOLS.get(row.problem.task)
        records = sorted((known[run] for run in row.run_ids), key=lambda record: record.draw)
        if protocol is not None and row.complete and follows(protocol, records):
            yield MtebResult(row, protocol, dumps(_plain(protocol, records, store)))


def needed() -> str:
    """What a suite must say for its cells to follow a protocol of MTEB's."""
    rules = {(each.per_class, each.experiments) for each in PROTOCOLS.values()}
    tasks = " or ".join(PROTOCOLS)
    sizes = " or ".join(
        f'train = {{ per_class = {n}, sampling = "mteb" }} and draws = {draws}'
        for n, draws in sorted(rules)
    )
    return (
        f"task {tasks} with {sizes}, all test items, budget = {{ trials = 1 }}, and the method"
        f" probe with C = {HEAD['C']} and max_iter = {HEAD['max_iter']}"
    )


def follows(protocol: Protocol, records: Sequence[Record]) -> bool:
    """Whether records, by draw, are the experiments of a protocol: all of them, on all its data."""
    from bench import tasks

    if [record.draw for record in records] != list(range(protocol.experiments)):
        return False
    spec = tasks.registry()[records[0].task].spec
    wanted: dict[str, Any] = {
        "data": spec.fingerprint,
        "train": {
            "per_class": protocol.per_class,
            "size": None,
            "sampling": Sampling.MTEB.value,
            "validation_extra": 0,
        },
        "test_size": None,
        "condition": None,
        "trials": 1,
        "control": None,
    }
    return all(_as_wanted(record, wanted) for record in records)


def _as_wanted(record: Record, wanted: dict[str, Any]) -> bool:
    method = record.identity.get("method")
    return (
        all(record.identity.get(key) == value for key, value in wanted.items())
        and isinstance(method, dict)
        and (method.get("name"), method.get("parameters")) == ("probe", HEAD)
    )


def _plain(protocol: Protocol, records: Sequence[Record], store: Store) -> dict[str, Any]:
    each = [_experiment(record, store.predictions(record)) for record in records]
    means = {name: fmean(one[name] for one in each) for name in each[0]}
    return {
        "dataset_revision": protocol.revision,
        "task_name": protocol.name,
        "mteb_version": None,
        "evaluation_time": sum(record.seconds for record in records),
        "kg_co2_emissions": None,
        "scores": {
            "test": [
                {
                    "scores_per_experiment": each,
                    **means,
                    "main_score": means["accuracy"],
                    "hf_subset": protocol.subset,
                    "languages": list(protocol.languages),
                    "run_ids": [record.run_id for record in records],
                    **({"note": protocol.note} if protocol.note else {}),
                }
            ]
        },
    }


def _experiment(record: Record, items: Items) -> dict[str, float]:
    return {
        "accuracy": record.metrics["accuracy"],
        "f1": record.metrics["macro_f1"],
        "f1_weighted": weighted_f1(items),
    }


def weighted_f1(items: Items) -> float:
    """F1 of each class, weighed by its test items."""
    of_true = np.bincount(items.true, minlength=items.classes)
    of_predicted = np.bincount(items.predicted, minlength=items.classes)
    hits = np.bincount(items.true[items.true == items.predicted], minlength=items.classes)
    f1 = 2 * hits / np.maximum(of_true + of_predicted, 1)
    return float((f1 * of_true).sum() / of_true.sum())
