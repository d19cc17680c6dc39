"""Budgets: the smallest of the fastest, there and back, remembered."""

from types import SimpleNamespace

import pytest
import torch

from bench.core.task import Modality
from bench.extract import Budgets, default_budget, sweep
from bench.extract.budget import DEFAULTS, MOST_TOKENS, STATES, STEPS, Sweep, chosen


def test_the_smallest_of_the_fastest_is_taken():
    assert chosen([10, 20, 40], [1.5, 1.01, 1.0]) == 20
    assert chosen([10, 20, 40], [1.0, 1.0, 1.0]) == 10
    assert chosen([10, 20, 40], [3.0, 2.0, 1.0]) == 40


@pytest.mark.parametrize(
    ("width", "dtype", "tokens"),
    [
        (384, torch.float32, 4096),
        (384, torch.bfloat16, 8192),
        (768, torch.float32, 2048),
        (768, torch.bfloat16, 4096),
        (8, torch.float32, MOST_TOKENS),
        (STATES, torch.float32, 1),
    ],
)
def test_a_batch_of_tokens_on_a_cpu_is_what_a_cache_holds(width, dtype, tokens):
    spec = SimpleNamespace(width=width, modality=Modality.TEXT)
    backbone = SimpleNamespace(spec=spec, module=lambda: torch.nn.Linear(2, 2, dtype=dtype))
    assert default_budget(backbone, "cpu") == tokens
    assert default_budget(backbone, "cuda") == DEFAULTS[Modality.TEXT, "cuda"]
    spec.modality = Modality.IMAGE
    assert default_budget(backbone, "cpu") == DEFAULTS[Modality.IMAGE, "cpu"]


def test_a_machine_that_gets_slower_all_the_time_favours_none():
    calls = []

    def run(budget):
        calls.append(budget)
        return 1.0 + 0.001 * len(calls)

    found = sweep(run, 100)
    assert found.budget == 50
    assert found.tried == tuple(round(100 * step) for step in STEPS)
    assert calls[:4] == calls[7:3:-1]
    assert max(found.seconds) - min(found.seconds) < 0.005


def test_sweeps_are_remembered(tmp_path):
    budgets = Budgets(tmp_path / "deep" / "budgets.json")
    assert budgets.find("a") is None
    one = Sweep(budget=20, tried=(10, 20), seconds=(2.0, 1.0))
    budgets.keep("a", one)
    budgets.keep("b", Sweep(budget=7, tried=(7,), seconds=(1.0,)))
    again = Budgets(tmp_path / "deep" / "budgets.json")
    assert (again.find("a"), again.find("b")) == (20, 7)
    assert again.all()["a"] == one


@pytest.mark.parametrize("text", ["", "[]", '{"a": 3}', '{"a": {"budget": "x"}}'])
def test_a_damaged_file_is_forgotten(tmp_path, text):
    path = tmp_path / "budgets.json"
    path.write_text(text)
    assert Budgets(path).all() == {}
