"""Small real stores: records and predictions made here, written and read by `bench.store`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from bench.core.identity import digest
from bench.core.metrics import chance, score
from bench.core.record import (
    SCHEMA,
    DataReport,
    Extraction,
    Failure,
    Provenance,
    Record,
    Status,
    Trial,
)
from bench.store import Items, Store, to_bytes

PROVENANCE = Provenance(
    date="2026-02-03T04:05:06Z",
    commit="0" * 40,
    dirty=False,
    python="3.12.0",
    system="Linux",
    cpu="A CPU",
    threads=2,
    device="cpu",
    device_name="A CPU",
    driver=None,
    precision="fp32",
    deterministic=True,
    packages={},
)


def truth(task: str, items: int = 200, classes: int = 4) -> np.ndarray:
    """The test labels of a task, the same in every call."""
    return np.random.default_rng(int(digest(task)[:8], 16)).integers(0, classes, items)


def predictions(true: np.ndarray, classes: int, accuracy: float, seed: int) -> np.ndarray:
    """Predictions that are right on about that share of items, crossed with draws as life is:
    items have a difficulty of their own."""
    hard = np.random.default_rng(7).random(len(true))
    noise = np.random.default_rng(seed).random(len(true))
    right = (
        0.5 * hard + 0.5 * noise < np.sqrt(accuracy / 2)
        if accuracy < 0.5
        else (0.5 * hard + 0.5 * noise < 1 - np.sqrt((1 - accuracy) / 2))
    )
    wrong = np.random.default_rng(seed + 1).integers(1, classes, len(true))
    return np.where(right, true, (true + wrong) % classes)


@dataclass
class Maker:
    """Adds cells to a store; whatever is not said is ordinary."""

    store: Store
    seeds: dict[str, int] = field(default_factory=dict)

    def cell(
        self,
        *,
        task: str = "news",
        backbone: str = "small",
        method: str = "probe",
        draw: int = 0,
        seed: int = 0,
        accuracy: float = 0.9,
        control: str | None = None,
        predicted: np.ndarray | None = None,
        true: np.ndarray | None = None,
        classes: int = 4,
        items: int = 200,
        modality: str = "text",
        main_metric: str = "accuracy",
        failure: Failure | None = None,
        attempt: int = 1,
        rate: float | None = 100.0,
        weights: str = "pretrained",
        per_class: int | None = 16,
        labels_extra: int = 0,
        trials: int = 2,
        provenance: Provenance = PROVENANCE,
        identity: dict | None = None,
        bytes_peak: int | None = 250_000_000,
        transferability: dict | None = None,
        parameters: int | None = None,
        labels: int = 64,
        capped: dict | None = None,
        rare: dict | None = None,
        phases: dict | None = None,
        scores: list | None = None,
        chosen_point: dict | None = None,
        members: dict | None = None,
        class_names: tuple[str, ...] = (),
        energy: float | None = None,
    ) -> Record:
        true = truth(task, items, classes) if true is None else true
        if predicted is None:
            noise = int(digest([task, backbone, method, draw, seed, control])[:6], 16)
            predicted = predictions(true, classes, accuracy, noise)
        chosen = {
            "protocol": 1,
            "data": digest(task),
            "train": {
                "per_class": per_class,
                "size": None,
                "sampling": "random",
                "validation_extra": 0,
            },
            "test_size": None,
            "main_metric": None,
            "backbone": {"assets": [digest(backbone.partition("(")[0])], "weights": weights},
            "precision": "fp32",
            "method": {"name": method, "version": 1, "parameters": {}},
            "trials": trials,
            "draw": draw,
            "seed": seed,
            "control": control,
        } | (identity or {})
        data = None
        if failure is None:
            chosen_rows = np.full(len(true), 0.5, dtype=np.float32)
            data = to_bytes(Items(true, predicted, chosen_rows, chosen_rows, classes))
        levels = chance(true, predicted, classes)
        record = Record(
            schema=SCHEMA,
            run_id=digest([chosen, method, backbone]),
            attempt=attempt,
            suite="golden",
            task=task,
            modality=modality,
            backbone=backbone,
            method=method,
            draw=draw,
            seed=seed,
            control=control,
            needs_backbone=True,
            main_metric=main_metric,
            identity=chosen,
            status=Status.OK if failure is None else Status.FAILED,
            provenance=provenance,
            metrics=score(true, predicted, classes) if failure is None else {},
            chance={
                "uniform": levels.uniform,
                "majority": levels.majority,
                "matched": levels.matched,
            }
            if failure is None
            else {},
            parameters=chosen_point or {},
            trials=tuple(Trial(parameters={}, score=0.5, seconds=1.0) for _ in range(trials))
            if scores is None
            else tuple(
                Trial(parameters={"C": float(i)}, score=score, seconds=1.0)
                for i, score in enumerate(scores)
            ),
            trials_budget=trials,
            phases=phases or {"load": 0.5, "extract": 1.0, "fit": 2.0},
            extraction=Extraction(
                items=300,
                items_computed=0 if rate is None else 300,
                seconds=1.0,
                seconds_charged=3.0,
                items_per_second=rate,
                units_per_second=None,
                padding_share=None,
                truncated_share=None,
                batches=3,
            ),
            transferability=transferability or {},
            members=members or {},
            backbone_parameters=parameters,
            bytes_peak=bytes_peak,
            energy_joules=energy,
            data=DataReport(
                fingerprint=digest(task),
                classes=classes,
                labels=labels,
                labels_extra=labels_extra,
                test=len(true),
                tuning="4-fold",
                duplicates_train_test=0,
                capped=capped or {},
                rare=rare or {},
                class_names=class_names,
            ),
            predictions=hashlib.sha256(data).hexdigest() if data else None,
            failure=failure,
        )
        assert self.store.add(record, data)
        return record

    def draws(self, count: int = 3, **cell) -> list[Record]:
        return [self.cell(draw=draw, **cell) for draw in range(count)]


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    store = Store(tmp_path / "run")
    store.write_suite({"name": "golden", "version": 2, "tasks": ["topics", "news"]})
    return Maker(store)


@pytest.fixture
def folder(make: Maker) -> Path:
    return make.store.folder


@pytest.fixture
def board_of(make: Maker) -> Callable:
    from bench.tables import board

    return lambda: board(make.store)
