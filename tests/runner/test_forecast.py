"""What a plan says beforehand of the memory that its cells take."""

from __future__ import annotations

import pytest

from bench.runner.forecast import BYTES_A_WEIGHT, BYTES_BASE, forecast
from tests.runner.conftest import digits, plan_of

WEIGHTS = 22_713_216
"""Of minilm-l6."""


def gigabytes(method: str, device: str = "cpu", task: str = "trec", length=None, **parameters):
    raw = digits(draws=1)
    raw["task"] = [{"name": task, "train": {"per_class": 8}}]
    raw["backbone"] = [{"name": "minilm-l6", **({"max_length": length} if length else {})}]
    raw["method"] = [{"name": method, **parameters}]
    plan = plan_of(raw)
    return forecast(plan, plan.cells, device, 0).bytes_memory / 1e9


def test_training_takes_more_than_the_weights():
    frozen = gigabytes("probe")
    assert frozen == pytest.approx((BYTES_BASE + 4 * WEIGHTS) / 1e9)
    assert gigabytes("finetune") > frozen + (BYTES_A_WEIGHT - 4) * WEIGHTS / 1e9
    assert gigabytes("finetune", device="cuda") == pytest.approx(BYTES_BASE / 1e9)


def test_it_grows_with_what_is_computed_at_once():
    small, large = (gigabytes("finetune", batch_size=n, task="reuters-r8") for n in (4, 32))
    parts = gigabytes("finetune", batch_size=32, accumulate=8, task="reuters-r8")
    assert small < large
    assert parts == small
    assert gigabytes("finetune", batch_size=4096) == gigabytes("finetune", batch_size=48)


@pytest.mark.parametrize(("method", "taken"), [("finetune", 2.09), ("setfit", 4.08)])
def test_it_is_near_what_was_taken(method, taken):
    """Eight labels a class of news at 128 tokens: peaks that were measured (two Zen 5 cores)."""
    found = gigabytes(method, task="reuters-r8", length=128)
    assert 0.75 * taken < found < 1.25 * taken
