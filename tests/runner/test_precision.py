"""`precision = "auto"`: who wins, that it is asked once, and that no cell is ever `auto`."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from bench import backbones, tasks
from bench.assets import Lock
from bench.core.errors import AssetError, DivergedError, UserError
from bench.core.suite import Precision, Resolved
from bench.core.task import Joined, Modality, Split
from bench.runner import precision
from bench.runner import run as runs
from bench.runner.precision import Tried, choose_precision, drift_of, name_of, try_all
from bench.runner.run import Options, plan_suite, run_suite

FP32, BF16, FP16 = Precision.FP32, Precision.BF16, Precision.FP16


@pytest.mark.parametrize(
    ("bf16", "fp16", "wanted"),
    [
        (Tried(0.5, 1e-4), Tried(0.6, 1e-5), BF16),
        (Tried(0.5, 1e-2), Tried(0.6, 1e-5), FP16),  # the faster one drifts
        (Tried(0.95, 1e-4), Tried(0.96, 1e-5), FP32),  # noise could have made them faster
        (Tried(0.5, 1e-2), Tried(0.6, 1e-2), FP32),
    ],
)
def test_the_fastest_that_stays_near_is_taken(bf16, fp16, wanted):
    found = choose_precision({FP32: Tried(1.0, 0.0), BF16: bf16, FP16: fp16})
    assert found.precision is wanted
    assert found.drift <= 1e-3


def test_drift_is_of_the_worst_item():
    reference = np.eye(3, dtype=np.float32)
    turned = reference.copy()
    turned[2] = [0.0, 0.6, 0.8]
    assert drift_of(reference * 7, reference) == pytest.approx(0.0)
    assert drift_of(turned, reference) == pytest.approx(0.2)
    assert drift_of(np.zeros((1, 3)), reference[:1]) == 1.0


def test_seconds_are_medians_of_interleaved_rounds():
    ticks, calls = itertools.count(), []

    def extractor(name, value):
        return lambda: calls.append(name) or np.full((2, 2), value, np.float32)

    found = try_all({FP32: extractor("a", 1.0), BF16: extractor("b", 1.1)}, lambda: next(ticks))
    assert "".join(calls) == "ab" + "baabbaabba"
    assert found[FP32].seconds == found[BF16].seconds == 1.0
    assert found[BF16].drift == pytest.approx(0.0)


SUITE = """
[suite]
name = "auto"
precision = "auto"
[[task]]
name = "digits"
train = { per_class = 4 }
test_size = 50
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "auto.toml"
    path.write_text(SUITE)
    return path


def test_it_is_decided_once_and_kept(suite, tmp_path, monkeypatch):
    options = Options(runs=tmp_path / "runs", device="cpu")
    first = run_suite(suite, options)  # a real process decides, and a real one runs
    assert {cell.precision for cell in first.plan.cells} == {FP32}
    assert Lock.beside(suite).precision(name("raw-pixels")) == Resolved(FP32, 0.0)
    assert [record.extraction.drift for record in first.records] == [0.0]
    monkeypatch.setattr(runs, "decide_apart", None)  # would fail if it were asked again
    again = run_suite(suite, options)
    assert again.ran == 0


def name(backbone):
    return name_of(backbone, "cpu", backbones.registry()[backbone].spec, compiled=False)


def test_another_backbone_under_its_label_is_decided_anew(suite):
    lock = Lock.beside(suite)
    lock.set_precision(name("raw-pixels"), Resolved(BF16, 8e-5))
    lock.save()
    suite.write_text(SUITE.replace('"raw-pixels"', '"efficientnet-lite0"\nlabel = "raw-pixels"'))
    assert {(cell.backbone_label, cell.precision) for cell in plan_suite(suite).cells} == {
        ("raw-pixels", FP32)
    }


def test_a_precision_that_overflows_is_left_out():
    def diverges():
        raise DivergedError("fp16 gave features with NaN or Inf")

    ways = {FP32: lambda: np.ones((2, 3)), FP16: diverges}
    assert set(try_all(ways, itertools.count().__next__)) == {FP32}
    with pytest.raises(DivergedError):
        try_all({FP32: diverges})


def test_the_sample_is_of_the_part_that_is_read_where_it_is_there():
    items = [Joined({"text": None if i % 3 else f"text {i}", "image": None}) for i in range(2000)]
    spec = dataclasses.replace(
        tasks.registry()["banking77"].spec,
        modality=Modality.SEVERAL,
        parts={"text": Modality.TEXT, "image": Modality.IMAGE},
    )
    train = Split(items, np.zeros(len(items), np.int64))
    task = SimpleNamespace(spec=spec, load=lambda: SimpleNamespace(train=train))
    found = precision._sample(task, Modality.TEXT)
    assert found == [f"text {3 * i}" for i in range(precision.ITEMS)]
    assert precision._sample(task, Modality.IMAGE) == []


def test_a_decision_is_part_of_the_identity(suite):
    before = plan_suite(suite).cells[0]
    lock = Lock.beside(suite)
    lock.set_precision(name("raw-pixels"), Resolved(BF16, 8e-5))
    lock.save()
    after = plan_suite(suite).cells[0]
    assert (after.precision, after.drift) == (BF16, 8e-5)
    assert after.run_id != before.run_id
    assert "auto" not in str(after.identity)


def test_an_untrained_twin_computes_as_its_original_does(suite):
    text = SUITE.replace("raw-pixels", "minilm-l6").replace("digits", "reuters-r8")
    suite.write_text(
        text.replace('"auto"\n[[task', '"auto"\ncontrols = ["random-weights"]\n[[task')
    )
    lock = Lock.beside(suite)
    lock.set_precision(name("minilm-l6"), Resolved(BF16, 8e-5))
    lock.save()
    cells = plan_suite(suite).cells
    assert {cell.backbone.weights.value for cell in cells} == {"pretrained", "random"}
    assert {cell.precision for cell in cells} == {BF16}


def test_planning_decides_and_writes_nothing(suite, monkeypatch):
    monkeypatch.setattr(runs, "decide_apart", None)
    assert plan_suite(suite).cells[0].precision is FP32
    assert not suite.with_suffix(".lock").exists()


def test_a_locked_run_takes_no_new_decision(suite, tmp_path):
    with pytest.raises(UserError, match="no precision for raw-pixels on cpu"):
        run_suite(suite, Options(runs=tmp_path / "runs", device="cpu", locked=True))


def test_a_lock_file_that_was_changed_by_hand_is_refused(suite):
    suite.with_suffix(".lock").write_text('schema = 1\n[precision]\n"a on cpu" = "fast"\n')
    with pytest.raises(AssetError, match="is not what bench writes"):
        Lock.beside(suite)
