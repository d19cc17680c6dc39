"""`bench throughput`: that its numbers follow from the clocks, what is kept, what is refused."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, DebertaV2Config, LlamaConfig, Qwen3Config, Wav2Vec2Config

import bench
from bench import tasks
from bench.assets import digest_tree
from bench.backbones import Plugin, build
from bench.backbones.shapes import BERT_BASE, SHAPES
from bench.core.errors import StoreError, UserError
from bench.core.registry import Registry
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Modality, Split, Splits, TaskSpec
from bench.extract import Budgets, Sweep, extract
from bench.measure import FUSED, Encoder, StopRule, WallClock
from bench.runner.doctor import report as doctor
from bench.runner.throughput import run as module
from bench.runner.throughput.budget import find_budget
from bench.runner.throughput.calls import Pace
from bench.runner.throughput.device import difference, drift, on_device
from bench.runner.throughput.limits import convolutions, cost_of, packed_product
from bench.runner.throughput.result import KIND, SCHEMA, SHAPED
from bench.runner.throughput.run import throughput
from bench.runner.throughput.setup import Asked, deal
from bench.runner.throughput.text import prepare, screen, table, write
from bench.runner.workbench import Workbench
from tests.backbones.tiny import WORDS, save_image, save_text

REGION = 0.1
TEXTS = [" ".join(WORDS[4:][: 1 + i % 9]) + f" {i}" for i in range(40)]


def ticking(step):
    """A clock that moves by so much at each look."""
    ticks = itertools.count(0.0, step)
    return lambda: next(ticks)


def pace(**changes):
    """Any region takes 0.1 s, any stage or extraction some hundredths."""
    known = {
        "rule": StopRule(),
        "side": 16,
        "copy_bytes": 1000,
        "clock": ticking(0.01),
        "host_watch": lambda: WallClock(ticking(REGION)),
        "device_watch": lambda _: WallClock(ticking(REGION)),
    }
    return Pace(**(known | changes))


class Task:
    """A task with these inputs."""

    def __init__(self, name, modality, inputs):
        self.spec = TaskSpec(name, 1, modality, "for a test", ())
        self._inputs = inputs

    def load(self):
        half = len(self._inputs) // 2
        parts = self._inputs[:half], self._inputs[half:]
        train, test = (Split(part, np.zeros(len(part), np.int64)) for part in parts)
        return Splits(train, test, ("a",))


@pytest.fixture(autouse=True)
def world(monkeypatch, tmp_path):
    """Two tasks, and a cache of this test's own."""
    images = list(np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8))
    known = Registry(
        "task",
        [
            Task("texts", Modality.TEXT, [*TEXTS, *TEXTS[:10]]),
            Task("pictures", Modality.IMAGE, images),
        ],
    )
    monkeypatch.setattr(tasks, "registry", lambda: known)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny products wait for each other's threads on a busy machine
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_text(tmp_path_factory.mktemp("own") / "tiny")


def asked(folder, **more):
    return Asked(backbone=f"file:{folder}", task="texts", device="cpu", **more)


def test_numbers_follow_from_the_clocks_and_samples_are_kept(folder):
    told = []
    found = throughput(asked(folder, items=32), told.append, pace())
    speeds = (found.end_to_end, found.device, found.warm_tokens)
    for speed in speeds:
        timing = speed.timing
        assert timing.median == pytest.approx(REGION / timing.repeats)
        assert len(timing.samples) >= 10
        assert timing.stopped == "stable"
        assert speed.items_per_second.median == pytest.approx(speed.items / timing.median)
        assert speed.units_per_second.median == pytest.approx(speed.units / timing.median)
    assert found.items == speeds[0].items * speeds[0].parts <= 32
    assert len({(s.items, s.units, s.parts) for s in speeds}) == 1
    assert [line for line in told if "end to end" in line]


def test_the_whole_result_is_plain_data(folder):
    found = throughput(asked(folder, items=16), pace=pace())
    plain = json.loads(found.json())
    assert (plain["schema"], plain["kind"]) == (SCHEMA, KIND)
    assert len(plain["end_to_end"]["timing"]["samples"]) >= 10
    assert len(plain["limits"]["measured"]["copy"]["samples"]) >= 10
    assert set(plain["stages"]) == {"prepare", "collate", "forward", "copy", "other"}
    assert plain["backbone"] == f"file:{folder.name}"
    assert str(folder.parent) not in found.json()
    assert found.file_name == f"file-{folder.name}-texts-fp32-cpu.json"
    assert plain["energy"]["reason"] == "no energy counter is read on cpu"
    assert plain["launches"]["reason"]
    assert plain["memory"]["bytes_resident"] is None or plain["memory"]["bytes_resident"] > 0


def test_an_input_that_stands_twice_is_counted_once(folder):
    found = throughput(asked(folder), pace=pace())
    assert found.repeats == 10
    assert 36 <= found.items <= 40


def test_stages_are_medians_of_the_calls_that_were_timed(folder):
    found = throughput(asked(folder, items=8), pace=pace(clock=ticking(0.0)))
    assert found.stages.pop("other") == pytest.approx(found.end_to_end.timing.median)
    assert set(found.stages.values()) == {0.0}
    assert found.energy.seconds >= 0


def test_a_sweep_is_kept_where_runs_and_the_doctor_find_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.extract.budget.MOST_TOKENS", 16)
    assert "bench throughput" in doctor()
    first = throughput(asked(folder, sweep=True), pace=pace())
    assert first.batches.origin == "swept now"
    assert first.batches.sweep.tried == (8, 16, 32, 64)
    plugin = build_plugin(folder)
    workbench = Workbench("cpu", tmp_path / "cache", lambda *_: None)
    loaded = plugin.load("cpu", Precision.FP32, [])
    assert workbench.budget(loaded, Precision.FP32) == first.batches.budget
    assert workbench.budget(loaded, Precision.BF16) is None
    again = throughput(asked(folder, sweep=False), pace=pace())
    assert again.batches.origin == "found before"
    assert again.batches.budget == first.batches.budget
    lines = doctor().splitlines()
    (line,) = [line for line in lines if " in fp32 on " in line]
    assert line.endswith(f": {first.batches.budget:,}")


def build_plugin(folder) -> Plugin:
    name = f"file:{folder}"
    return build(BackboneEntry(name=name), folder.parent, {name: digest_tree(folder)})


@pytest.mark.parametrize(
    ("wanted", "items", "origin", "reason"),
    [
        (None, 400, "swept now", None),
        (None, 4000, "default", "it would take about"),
        (True, 4000, "swept now", None),
        (False, 400, "default", "--no-sweep"),
        (True, 39, "default", "do not fill the largest budget, 400"),
    ],
)
def test_when_a_sweep_is_made(tmp_path, wanted, items, origin, reason):
    lengths = np.full(items, 10 if items < 1000 else 1)
    budgets = Budgets(tmp_path / "b.json")
    seen = []

    def seconds(some, budget):
        seen.append(len(some))
        return 1.0 / budget

    found = find_budget(wanted, budgets, "x", 100, lengths, 40.0, 45.0, seconds, say=lambda _: None)
    assert found[1] == origin
    assert (reason or "") in (found[3] or "")
    if origin == "swept now":
        assert found[0] == budgets.find("x") == 400
        assert set(seen) == {-(-400 // int(lengths[0]))} or set(seen) == {400 // lengths[0]}
    else:
        assert (found[0], seen, budgets.all()) == (100, [], {})


def test_an_earlier_sweep_stands_in(tmp_path):
    budgets = Budgets(tmp_path / "b.json")
    kept = Sweep(budget=7, tried=(7,), seconds=(1.0,))
    budgets.keep("x", kept)
    found = find_budget(False, budgets, "x", 100, np.ones(5), 1.0, 1.0, print, say=print)
    assert found == (7, "found before", kept, "--no-sweep")


class Changed:
    """A backbone whose features move by `step` with each call, or become NaN."""

    def __init__(self, backbone, step):
        self._backbone, self._step, self._calls = backbone, step, 0

    def __getattr__(self, name):
        return getattr(self._backbone, name)

    def forward(self, batch):
        self._calls += 1
        return self._backbone.forward(batch) + self._step * self._calls


@pytest.mark.parametrize(("step", "says"), [(0.01, "the output changed"), (float("nan"), "NaN")])
def test_no_speed_is_told_of_an_output_that_changed(folder, monkeypatch, step, says):
    usual = module._Run._load
    monkeypatch.setattr(
        module._Run, "_load", lambda run, p, **more: Changed(usual(run, p, **more), step)
    )
    with pytest.raises(UserError, match=says):
        throughput(asked(folder, items=8), pace=pace())


def test_drift_is_told_in_another_precision_alone(folder):
    assert throughput(asked(folder, items=8), pace=pace()).drift is None
    found = throughput(asked(folder, items=8, precision=Precision.BF16), pace=pace())
    assert 0.99 < found.drift.least <= found.drift.mean < 1.0
    assert found.provenance.precision == "bf16"
    assert found.limits.measured.precision == "bf16"
    assert "cosine with fp32" in screen(found)


def test_compiled_it_says_so_and_keeps_its_file_apart(folder, monkeypatch):
    monkeypatch.setattr(
        "bench.backbones.compiled.BACKEND", "eager"
    )  # Dynamo without a C++ compiler
    plain = throughput(asked(folder, items=8), pace=pace())
    found = throughput(asked(folder, items=8, compile=True), pace=pace())
    assert (found.compiled, plain.compiled) == (True, False)
    assert found.file_name == plain.file_name.replace("-cpu", "-compiled-cpu")
    assert found.drift.least == pytest.approx(1.0)
    assert "fp32, compiled" in screen(found)
    assert "fp32, compiled" not in screen(plain)


def test_what_cannot_be_compiled_is_said_in_a_sentence(folder, monkeypatch):
    monkeypatch.setattr("bench.backbones.compiled.BACKEND", refuse)
    with pytest.raises(UserError, match=r"could not be compiled: .*no compiler of the test"):
        throughput(asked(folder, items=8, compile=True), pace=pace())


def refuse(*_):
    raise OSError("no compiler of the test")


def test_drift_and_differences_of_known_features():
    wanted = np.eye(3, dtype=np.float32)
    turned = wanted.copy()
    turned[2] = [0.0, 0.6, 0.8]
    assert drift(turned * 5, wanted) == dataclasses.replace(
        drift(wanted, wanted), least=pytest.approx(0.8), mean=pytest.approx(2.8 / 3)
    )
    assert drift(np.zeros((1, 3), np.float32), wanted[:1]).least == 0.0
    assert difference(wanted * 2.5, wanted * 2) == pytest.approx(0.25)
    assert difference(np.full((1, 3), np.nan, np.float32), wanted[:1]) == float("inf")
    assert difference(wanted * 0, wanted * 0) == 0.0


def test_what_lies_on_the_device_gives_the_same_features(folder):
    backbone = build_plugin(folder).load("cpu", Precision.FP32, [])
    prepared = backbone.prepare(TEXTS)
    parts = deal(prepared.lengths, 10)
    device = on_device(backbone, prepared, parts, 20, "cpu")
    assert len(device.batches) == len(parts) == 4
    with torch.inference_mode():
        found = device.features(16)
        wanted = extract(backbone, [TEXTS[i] for i in parts[0]], "cpu").features
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        assert len(device.work(5)) == len(device.batches[1])


def test_with_too_much_for_the_device_there_are_fewer_parts(folder, monkeypatch):
    from bench.runner.throughput import device as throughput_device

    monkeypatch.setattr(throughput_device, "MOST_BYTES", 1)
    backbone = build_plugin(folder).load("cpu", Precision.FP32, [])
    prepared = backbone.prepare(TEXTS)
    assert len(on_device(backbone, prepared, deal(prepared.lengths, 10), 20, "cpu").batches) == 1


@given(st.lists(st.integers(1, 500), min_size=1, max_size=400), st.integers(1, 500))
def test_parts_are_equal_disjoint_and_alike(lengths, size):
    lengths = np.array(lengths)
    parts = deal(lengths, size)
    assert 1 <= len(parts) <= 16
    (rows,) = {len(part) for part in parts}
    assert rows >= min(size, len(lengths))
    dealt = np.concatenate(parts)
    assert len(set(dealt.tolist())) == len(dealt) == rows * len(parts)
    assert len(dealt) > len(lengths) - len(parts) or len(parts) == 16
    totals = [lengths[part].sum() for part in parts]
    assert max(totals) - min(totals) <= 2 * lengths.max()


def test_images_and_a_backbone_without_a_module():
    at = Asked(backbone="raw-pixels", task="pictures", device="cpu", items=12)
    found = throughput(at, pace=pace())
    assert found.warm_tokens is None
    assert found.warm_tokens_reason == "image has no token ids"
    assert (found.unit, found.limits.flop_share, found.limits.tighter) == ("images", None, None)
    assert "nothing known" in screen(found)


def test_an_image_encoders_work_is_that_of_its_patches(tmp_path):
    folder = save_image(tmp_path / "vit", "vit")
    at = Asked(backbone=f"file:{folder}", task="pictures", device="cpu", items=12)
    found = throughput(at, pace=pace())
    layer = 8 * 16**2 + 4 * 16 * 32 + 4 * 17 * 16
    embedding = 2 * 16 * 8**2 * 3 * 16
    assert found.limits.flops_per_item == 2 * 17 * layer + embedding
    assert found.limits.measured.feed_forward_shape.n == 32


def test_shares_are_of_the_best_product(folder):
    found = throughput(asked(folder, items=16), pace=pace())
    of = found.limits
    assert of.ceiling == max(of.products, key=of.products.get)
    done = of.flops_per_item * found.end_to_end.items / found.end_to_end.timing.median
    assert of.end_to_end == pytest.approx(done / of.products[of.ceiling])
    assert of.flop_share == pytest.approx(of.end_to_end)  # the fake clocks give equal times
    packs = packed_product(of.measured.feed_forward_shape, Precision.FP32) is not None
    assert (of.packed is not None) == packs


def test_a_shape_needs_no_task_and_has_a_length(monkeypatch):
    figures = {**BERT_BASE.figures, "vocab_size": 99, "hidden_size": 24, "num_hidden_layers": 1}
    spec = dataclasses.replace(BERT_BASE.spec, name="shape:tiny")
    tiny = dataclasses.replace(BERT_BASE, figures=figures, spec=spec)
    monkeypatch.setattr(SHAPES, "_plugins", {"shape:tiny": tiny})
    at = Asked(backbone="shape:tiny", device="cpu", items=6, length=9)
    found = throughput(at, pace=pace())
    assert (found.task, found.length, found.end_to_end.units) == (None, 9, 9 * found.items)
    assert found.warm_tokens_reason == "its inputs are token ids already"
    assert found.file_name == "shape-tiny-9-fp32-cpu.json"
    assert "random inputs of 9 tokens" in screen(found)


def test_flops_of_known_architectures():
    """docs: BERT-base has 175 MFLOP a token at 128; wav2vec 2.0 leaves 49 frames of a second."""

    class Fake:
        packs, tokenizer, spec, fusion = True, "", BERT_BASE.spec, FUSED

        def module(self):
            return type("Model", (), {"config": BertConfig()})

    cost = cost_of(Fake(), None, 768, Precision.BF16)
    assert cost.mean(np.array([128, 128]), cost.flops) / 128 == pytest.approx(174.6e6, rel=1e-3)
    assert cost.mean(np.array([10]), cost.bytes_moved) == 10 * 12 * 52 * 768
    for other in (LlamaConfig(), Qwen3Config(), DebertaV2Config(relative_attention=True)):
        model = type("Model", (), {"config": other})
        fake = type("Other", (Fake,), {"module": lambda _, model=model: model})()
        known = cost_of(fake, None, 768, Precision.BF16)
        assert known.bytes_moved is None
        assert known.source == "the backbone's description"  # BERT_BASE's, which a folder has not
    flops, frames = convolutions(Wav2Vec2Config(), 16_000)
    assert frames == 49
    first = 2 * 10 * 1 * 512 * 3199
    assert flops > first  # and the whole clip is what the description says:
    ten_seconds, frames = convolutions(Wav2Vec2Config(), 160_000)
    encoder = Encoder(layers=12, width=768)
    wanted = SHAPES["shape:wav2vec2-base"].spec.flops_per_unit
    assert ten_seconds + encoder.flops([frames]) == pytest.approx(10 * wanted, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backbone": "minilm-l7"}, "no backbone is named 'minilm-l7'; did you mean 'minilm-l6'"),
        ({"backbone": "shape:bert-bas"}, "did you mean 'shape:bert-base'"),
        ({"task": "text"}, "no task is named 'text'; did you mean 'texts'"),
        ({"task": "pictures"}, "minilm-l6 reads text, but pictures is image"),
        ({"task": None}, "minilm-l6 needs inputs: --task texts"),
        ({"items": 0}, "--items is at least 1, not 0"),
        ({"length": 5}, "--length is of shapes"),
        ({"backbone": "shape:bert-base"}, "leave --task out"),
        ({"backbone": "shape:bert-base", "task": None, "length": 999}, "1 to 512 tokens"),
        ({"backbone": "file:nowhere"}, "there is no such file"),
    ],
)
def test_what_cannot_be_is_one_sentence(changes, says):
    with pytest.raises(UserError, match=says) as error:
        throughput(Asked(**{"backbone": "minilm-l6", "task": "texts", **changes}))
    assert "\n" not in str(error.value)


def test_a_gpu_that_is_not_there(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    at = dataclasses.replace(asked(folder), device="cuda")
    with pytest.raises(UserError, match="torch sees none"):
        throughput(at)


def test_an_item_that_does_not_fit(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module._Run, "_pilot", full)
    with pytest.raises(UserError, match="does not fit into cpu"):
        throughput(asked(folder, items=4), pace=pace())


def test_from_python(folder, monkeypatch):
    monkeypatch.setattr(module, "PACE", pace())
    found = bench.throughput(f"file:{folder}", "texts", device="cpu", items=8)
    assert found.items == 8
    with pytest.raises(UserError, match="precision is fp32, bf16, fp16, not 'int8'"):
        bench.throughput("minilm-l6", "texts", precision="int8")


def test_a_folder_has_a_table_of_all_that_is_in_it(folder, tmp_path):
    out = tmp_path / "results"
    prepare(out)
    found = throughput(asked(folder, items=8), pace=pace())
    write(found, out)
    other = dataclasses.replace(found, backbone="another", drift=drift(np.eye(2), np.eye(2)))
    path = write(other, out)
    (out / "scaling.json").write_text('{"rows": []}')
    (out / "later.json").write_text(json.dumps({"kind": KIND, "schema": SCHEMA + 1}))
    text = table(out)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert all(found.provenance.device_name in row for row in rows[1:])
    assert "later.json" in text
    assert "scaling" not in text
    assert (out / "README.md").read_text().splitlines()[0] == text.splitlines()[0]
    path.write_text(json.dumps({"kind": KIND, "schema": SCHEMA}))
    with pytest.raises(StoreError, match=r"another-texts-fp32-cpu\.json: is damaged"):
        prepare(out)
    path.write_text("{")
    with pytest.raises(StoreError, match=r"another-texts-fp32-cpu\.json: cannot be read"):
        prepare(out)


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_timed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        prepare(tmp_path / "file")


def test_the_screen_says_what_was_asked(folder):
    found = throughput(asked(folder, items=16), pace=pace())
    text = screen(found)
    for words in (
        "texts, fp32", "threads", "load before", "end to end", "device alone",
        "with warm token ids", "95 % interval", "where time goes", "batch budget", "padding",
        "peak memory", "energy", "ceiling", "of the limits", "launches", "checked",
    ):  # fmt: skip
        assert words in text
    assert len(text.splitlines()) < 30


def test_a_process_that_others_disturb_says_so(folder):
    found = throughput(asked(folder, items=8), pace=pace())
    before = found.limits.products[SHAPED]
    for share, of_the_limit, after, told in (
        (0.5, 0.9, 1.0, "processor time"),
        (0.97, 0.9, 1.0, ""),
        (0.97, 1.2, 1.0, "more than the limits"),
        (0.97, 0.9, 0.5, "the model-shaped product had"),
        (0.97, 0.9, 2.0, "the model-shaped product had"),
    ):
        limits = dataclasses.replace(
            found.limits,
            flop_share=of_the_limit,
            bandwidth_share=None,
            afterwards=after * before,
        )
        text = screen(dataclasses.replace(found, processor_share=share, limits=limits))
        assert ("disturbed" in text) == bool(told)
        assert told in text


def test_a_text_backbone_that_does_not_pack_has_padding(folder, monkeypatch):
    """Without the fused path there are padded batches, and the share is told."""
    usual = module._Run._load

    def plain(run, precision, **more):
        backbone = usual(run, precision, **more)
        backbone._fused, backbone.packs = None, False
        return backbone

    monkeypatch.setattr(module._Run, "_load", plain)
    found = throughput(asked(folder, items=40, sweep=False), pace=pace())
    assert 0 <= found.batches.padding_share < 0.5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_on_a_gpu(precision):
    at = Asked(backbone="shape:minilm-l6", device="cuda", precision=precision, items=2_000)
    found = throughput(at)
    assert found.clock.agree, found.clock.message
    assert found.memory.bytes_allocated <= found.memory.bytes_reserved
    assert found.launches.launches > 0
    assert found.launches.synchronisations == 0
    assert 0 < found.limits.flop_share < 1.05
    assert found.device.items_per_second.median >= 0.9 * found.end_to_end.items_per_second.median
    assert (found.drift is None) == (precision is Precision.FP32)
