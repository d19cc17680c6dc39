"""Records to store in tests, without a run."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from bench.core.predictions import ClassPredictions
from bench.core.record import SCHEMA, Provenance, Record, Status
from bench.store import items_of, to_bytes

PROVENANCE = Provenance(
    date="2026-01-01T00:00:00+00:00",
    commit=None,
    dirty=None,
    python="3.11",
    system="Linux",
    cpu="x",
    threads=2,
    device="cpu",
    device_name="x",
    driver=None,
    precision="fp32",
    deterministic=False,
    packages={},
)


def record(**changes) -> Record:
    base = Record(
        schema=SCHEMA,
        run_id="0" * 64,
        attempt=1,
        suite="s",
        task="t",
        modality="text",
        backbone="b",
        method="m",
        draw=0,
        seed=0,
        control=None,
        needs_backbone=True,
        main_metric="accuracy",
        identity={"draw": 0},
        status=Status.OK,
        provenance=PROVENANCE,
        metrics={"accuracy": 0.5},
    )
    return dataclasses.replace(base, **changes)


def predictions(n: int = 5, k: int = 3) -> bytes:
    rows = np.random.default_rng(0).dirichlet(np.ones(k), n).astype(np.float32)
    return to_bytes(items_of(ClassPredictions(rows), np.arange(n) % k))


def with_predictions(**changes) -> tuple[Record, bytes]:
    data = predictions()
    return record(predictions=hashlib.sha256(data).hexdigest(), **changes), data
