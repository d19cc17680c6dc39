"""Small real problems that every plugin is put to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.core.suite import TaskEntry, TrainRule
from bench.core.task import Modality
from bench.runner.execute import CellContext
from bench.runner.plan import make_plan, validated
from bench.runner.workbench import Workbench
from bench.suite_file import parse
from bench.tasks import build

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def splits():
    """Digits for images, the example's tickets for texts: 20 training items a class."""
    found = {}
    for modality, entry, folder in (
        (Modality.IMAGE, TaskEntry(name="digits"), Path()),
        (
            Modality.TEXT,
            TaskEntry(
                name="tickets",
                data="file:tickets.csv",
                input="body",
                label="queue",
                train=TrainRule(),
            ),
            EXAMPLES,
        ),
    ):
        pins = {}
        if entry.data:
            from bench.assets import digest_file

            pins = {entry.data: digest_file(folder / "tickets.csv")}
        task = build(entry, folder, pins)
        loaded = task.load()
        order = np.random.default_rng(0).permutation(len(loaded.train))
        rank = dict.fromkeys(range(len(loaded.class_names)), 0)
        chosen = []
        for i in order:
            c = int(loaded.train.targets[i])
            if rank[c] < 20:
                rank[c] += 1
                chosen.append(i)
        found[modality] = loaded.train.take(np.array(chosen)), loaded.test, loaded.class_names
    return found


@pytest.fixture(scope="session")
def context(tmp_path_factory):
    """Make a method's context on raw pixels, as the runner would."""
    plan = make_plan(
        validated(
            parse(
                {
                    "suite": {"name": "contract"},
                    "task": [{"name": "digits"}],
                    "backbone": [{"name": "raw-pixels"}],
                    "method": [{"name": "probe"}],
                },
                Path("contract.toml"),
            )
        ),
        {},
    )
    bench = Workbench("cpu", tmp_path_factory.mktemp("cache"), lambda *_: None)

    def make(pool, names, seed: int = 0) -> CellContext:
        return CellContext(names, seed, "cpu", bench.feature_source(plan.cells[0], pool))

    return make
