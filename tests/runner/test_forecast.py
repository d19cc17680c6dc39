"""What a plan says beforehand of the memory that its cells take."""

from __future__ import annotations

import pytest

from bench.assets import digest_file
from bench.core.errors import DataError
from bench.core.method import Needs, Trains
from bench.methods import registry
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


TRAINERS = [
    name
    for name, method in registry().items()
    if isinstance(method, Trains)
    and method.spec.needs is Needs.MODULE
    and not method.spec.members[1]
]


def own(folder, rule, method="finetune", **entry):
    """A plan over 120 texts of the user's, a quarter of them for the test."""
    rows = [f"text number {i} of several,{'abc'[i % 3]}" for i in range(120)]
    (folder / "mine.csv").write_text("\n".join(["text,label", *rows]))
    entry = {"name": "mine", "data": "file:mine.csv", "test_share": 0.25, **entry}
    raw = {
        "suite": {"name": "own", "draws": 1},
        "task": [{**entry, "train": rule}],
        "backbone": [{"name": "minilm-l6"}],
        "method": [{"name": method}],
    }
    pins = {"file:mine.csv": digest_file(folder / "mine.csv")}
    return plan_of(raw, folder, pins)


@pytest.mark.parametrize("rule", ["full", {"per_class": 16}, {"size": 40}])
@pytest.mark.parametrize("method", TRAINERS)
def test_data_of_ones_own_are_counted(tmp_path, method, rule):
    """Whatever trains, and however much is labelled, which no description says beforehand."""
    plan = own(tmp_path, rule, method)
    (cell,) = plan.cells
    spec = plan.tasks[cell.task.key].sized()
    assert (spec.train_size, spec.test_size, spec.classes) == (90, 30, 3)
    assert 5 < spec.units < 7  # 24 to 26 letters
    found = forecast(plan, plan.cells, "cpu", 0)
    assert found.unsized == ()
    assert found.seconds > forecast(plan, [], "cpu", 0).seconds


def test_more_labels_take_longer(tmp_path):
    few, all_of_them = (
        forecast(plan, plan.cells, "cpu", 0).seconds
        for plan in (own(tmp_path, {"per_class": 2}, "setfit"), own(tmp_path, "full", "setfit"))
    )
    assert all_of_them > few


def test_what_is_elsewhere_is_not_counted(tmp_path):
    raw = digits(draws=1)
    raw["task"] = [{"name": "far", "data": "https://localhost/far.csv", "train": {"per_class": 4}}]
    raw["backbone"] = [{"name": "minilm-l6"}]
    raw["method"] = [{"name": name} for name in ("finetune", "setfit", "prompt-lora")]
    plan = plan_of(raw, tmp_path, {"https://localhost/far.csv": "0" * 64})
    assert forecast(plan, plan.cells, "cpu", 0).unsized == ("far",)


def test_mistakes_in_ones_own_data_are_told_beforehand(tmp_path):
    plan = own(tmp_path, "full", class_names={"d": "four"})
    with pytest.raises(DataError, match="class_names"):
        forecast(plan, plan.cells, "cpu", 0)
