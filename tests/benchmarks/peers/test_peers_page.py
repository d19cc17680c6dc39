"""The page of `make peers` and what it is made of; no peer need be installed."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import BertConfig, BertModel, TrainingArguments

from bench.backbones.pooling import pool
from bench.core.backbone import Pooling
from bench.methods import _trained, lora
from bench.methods._logistic import Problem, solve
from bench.stats.ratios import Ratio
from tests.benchmarks.peers import (
    contenders,
    facts,
    heads,
    mteb_protocol,
    page,
    pairs,
    plot,
    rivals,
    text,
    training,
)

SECONDS = {
    "bench fp32": [1.0, 1.1, 0.9],
    "bench bf16": [0.5, 0.5, 0.5],
    "sentence-transformers fp32": [2.0, 2.2, 1.8],
    "onnxruntime fp32": [0.5, 0.55, 0.45],
    "product fp32": [0.8, 0.88, 0.72],
    "product bf16": [0.25, 0.25, 0.25],
}
HEAD = {
    "schema": 1,
    "device": "a processor",
    "cores": 2,
    "threads": {"torch": 2, "tokenizers": 2, "pools": {"openblas 1": 2}},
    "date": "2026-01-02T03:04:05+00:00",
    "python": "3.12",
    "packages": {"torch": "2"},
    "load": {"before": 0.1, "after": 2.0},
    "settings": {},
}
RATE = {"square": 1e11, "feed_forward": 2e11}


def text_part():
    same = {"before": {"least": 1.0, "mean": 1.0}, "after": {"least": 0.999, "mean": 1.0}}
    row = {
        "corpus": "films",
        "texts": 10,
        "flops": [1e11, 1.1e11, 0.9e11],
        "product_flops": [1e11, 1.1e11, 0.9e11],
        "seconds": SECONDS,
        "cosine": dict.fromkeys(SECONDS, same),
        "sweep_seconds": {"onnxruntime fp32": {"batch 8": 2.0, "batch 16": 1.0}},
        "ceiling": {"before": {"fp32": RATE, "bf16": RATE}, "after": {"fp32": RATE, "bf16": RATE}},
    }
    return {**HEAD, "part": "text", "compiler": "torch.compile works", "rows": [row]}


def mteb_part():
    runs = []
    for number in range(3):
        for side, seconds in (("mteb", 3.0), ("bench", 2.0)):
            scores = [0.8, 0.81 if side == "bench" else 0.82]
            told = {"accuracy": scores, "macro_f1": scores, "wall": seconds, "inside": seconds / 2}
            runs.append({"round": number, "side": side, "precision": "fp32", **told})
    published = {"accuracy": [0.8, 0.82], "macro_f1": [0.8, 0.82]}
    return {**HEAD, "part": "mteb", "runs": runs, "published": published}


def heads_part():
    names = ["bench", "bench, 1 thread", "scikit-learn", "scikit-learn, 1 thread"]
    row = {
        "problems": "ten fits",
        "tolerance": 1e-4,
        "shape": [16, 8, 2],
        "test_items": 100,
        "gradient": dict.fromkeys(names, 9e-5),
        "agree": {name: dict.fromkeys([*names, "converged"], 0.99) for name in names},
        "seconds": {name: [1.0 + i, 1.0 + i] for i, name in enumerate(names)},
    }
    told = {"tolerance_converged": 1e-7, "strengths": [0.1, 10.0]}
    return {**HEAD, "part": "heads", **told, "rows": [row]}


def training_part():
    row = {
        "method": "finetune",
        "rival": "a trainer",
        "test_items": 4,
        "seconds": {"bench": [1.0, 1.1, 0.9], "a trainer": [2.0, 2.2, 1.8]},
        "processor_seconds": {"bench": [2.0, 2.2, 1.8], "a trainer": [3.0, 3.3, 2.7]},
        "right": {"bench": ["1110", "1100", "1111"], "a trainer": ["1100", "1100", "1101"]},
    }
    told = {"task": "trec", "per_class": 8, "backbone": "minilm-l6"}
    return {**HEAD, "part": "training", **told, "rows": [row]}


def on_a_gpu(part, seconds):
    """The same from a GPU: other contenders, and no bare products."""
    (row,) = part["rows"]
    row = {**row, "seconds": seconds, "ceiling": {}}
    return {**part, "device": "a GPU", "part": f"{part['part']}-cuda", "rows": [row]}


PARTS = {
    "text": text_part(),
    "text-cuda": on_a_gpu(
        text_part(), {name: SECONDS[name] for name in ("bench bf16", "sentence-transformers fp32")}
    ),
    "mteb": mteb_part(),
    "heads": heads_part(),
    "heads-cuda": on_a_gpu(
        heads_part(), {"bench": [1.0, 1.0], "scikit-learn, 1 thread": [20.0, 20.0]}
    ),
    "training": training_part(),
}


def test_a_ratio_above_one_says_that_bench_is_faster():
    (row,) = text_part()["rows"]
    found = {(v.of, v.against): v.ratio.ratio for v in pairs.text_pairs(row)}
    assert found["bench fp32", "sentence-transformers fp32"] == pytest.approx(2.0)
    assert found["bench fp32", "onnxruntime fp32"] == pytest.approx(0.5)


def test_what_was_tried_is_told():
    (row,) = text_part()["rows"]
    assert page.sweep_notes(row) == [
        "- films, sweep of onnxruntime fp32: batch 16 1.00; batch 8 2.00."
    ]
    slow = {"sentence-transformers tuned fp32": [4.0, 4.4, 3.6]}
    (versus,) = pairs.tuned_pairs({**row, "seconds": {**row["seconds"], **slow}})
    assert versus.ratio.ratio == pytest.approx(0.5)


def test_a_share_is_of_the_same_flops():
    (row,) = text_part()["rows"]
    assert pairs.share(row, "bench fp32", "product fp32").ratio == pytest.approx(0.8)
    row = {**row, "product_flops": [2 * f for f in row["flops"]]}
    assert pairs.share(row, "bench fp32", "product fp32").ratio == pytest.approx(0.4)
    assert pairs.share_of_torch(row, "bench fp32", "fp32") == pytest.approx(0.5)


def test_mtebs_runs_are_paired_by_round():
    clocks = pairs.mteb_pairs(mteb_part())["fp32"]
    assert clocks["wall"].ratio.ratio == pytest.approx(1.5)
    assert clocks["wall"].ratio.pairs == 3
    gap = pairs.score_gap(mteb_part(), "fp32")
    assert gap == pytest.approx({"each": 0.01, "mean": 0.005, "published": 0.005})


def test_heads_are_compared_at_their_best_and_at_the_same_threads():
    (row,) = heads_part()["rows"]
    assert [(v.of, v.against) for v in pairs.heads_pairs(row)] == [
        ("bench", "scikit-learn"),
        ("bench", "scikit-learn, 1 thread"),
        ("bench, 1 thread", "scikit-learn, 1 thread"),
    ]


def test_fits_are_compared_draw_by_draw():
    (row,) = training_part()["rows"]
    assert pairs.training_pair(row).ratio.ratio == pytest.approx(2.0)
    assert pairs.training_pair(row, "processor_seconds").ratio.ratio == pytest.approx(1.5)
    gap = pairs.training_gap(row)
    assert gap.ours == pytest.approx((0.75, 0.5, 1.0))
    assert gap.theirs == pytest.approx((0.5, 0.5, 0.75))
    expected = stats.ttest_rel(gap.ours, gap.theirs).confidence_interval(0.95)
    assert gap.difference - gap.half == pytest.approx(expected.low)
    assert gap.difference + gap.half == pytest.approx(expected.high)
    assert gap.paired.difference == pytest.approx(gap.difference)
    assert (gap.paired.draws, gap.paired.items) == (3, 4)
    shown = page.training_section(training_part())[-2]
    assert "| 75.0 / 50.0 / 100.0 | 50.0 / 50.0 / 75.0 | +16.7 [-19.2, +52.5] |" in shown


def test_one_draw_has_no_interval_over_draws():
    assert page.points(0.0125, None) == "+1.2"
    words = {"bench": ["1110"], "a trainer": ["1100"]}
    (row,) = training_part()["rows"]
    gap = pairs.training_gap({**row, "right": words})
    assert gap.half is None
    assert gap.paired.draws == 1


def test_a_fit_is_kept_with_what_it_has_right():
    row = training.row_of(training.MATCHES[0], 3)
    fitted = training.Fitted(2.0, 3.0, np.array([True, False, True]))
    training.add(row, "bench", fitted)
    assert row["right"]["bench"] == ["101"]
    assert pairs.hits(row["right"]["bench"]).tolist() == [[1.0, 0.0, 1.0]]
    assert row["parameters"]["least_steps"] == 200
    assert {match.method for match in training.MATCHES} == {"finetune", "lora", "setfit"}


def tiny_encoder():
    config = BertConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=20,
    )
    return BertModel(config).eval()


def test_both_adapt_the_same_layers():
    encoder = tiny_encoder()
    ends = tuple(f".{end}" for end in rivals.LINEAR)
    found = [name for name, _ in encoder.named_modules() if name.endswith(ends)]
    assert found == lora.targets(encoder, "all")
    assert len(found) == 12


def test_the_other_classifier_pools_and_starts_as_benchs_does():
    encoder = tiny_encoder()
    model = rivals.classifier(encoder, 3, 0.1, seed=5).eval()
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    batch = {"input_ids": torch.tensor([[2, 3, 4], [5, 6, 0]]), "attention_mask": mask}
    head = _trained.linear(8, 3, 5, "cpu")
    with torch.no_grad():
        told = model(**batch, labels=torch.tensor([0, 2]))
        expected = head(pool(encoder(**batch).last_hidden_state, mask, Pooling.MEAN))
    assert torch.allclose(told["logits"], expected, atol=1e-6)
    wanted = torch.nn.functional.cross_entropy(expected, torch.tensor([0, 2]))
    assert float(told["loss"]) == pytest.approx(float(wanted))


def test_the_others_rates_are_benchs():
    parameters = training.row_of(training.MATCHES[0], 1)["parameters"]
    model = torch.nn.ModuleDict({"encoder": torch.nn.Linear(3, 3), "head": torch.nn.Linear(3, 2)})
    model.encoder, model.head = model["encoder"], model["head"]
    told = TrainingArguments(output_dir="unused", use_cpu=True)
    groups = rivals.optimizer(model, told, parameters).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (5e-5, 0.01),
        (5e-5, 0.0),
        (1e-3, 0.01),
        (1e-3, 0.0),
    ]


def test_each_row_names_the_device_and_few_pairs_are_marked():
    rows = [line for line in page.page(PARTS).splitlines() if line.startswith("|")]
    told = [row for row in rows if "---" not in row and "device" not in row]
    assert len(told) == (3 + 2) + 1 + 1 + 3 + 1 + 1
    assert sum("| a processor |" in row for row in told) == len(told) - 2
    assert sum("| a GPU |" in row for row in told) == 2
    assert "| onnxruntime fp32 (batch 16) | 0.500 [0.500, 0.500] * | 3 |" in "\n".join(told)
    assert len({row.count("|") for row in rows[: 3 + 2]}) == 1


@pytest.mark.parametrize("name", page.PARTS)
def test_each_part_has_a_page_of_its_own(name):
    part = PARTS[name.removesuffix("-amx").removesuffix("-avx2")]
    assert page.page({name: part}).count("\n## ") == 1
    assert list(page.bars({name: part}))


def test_another_kind_of_processor_stands_beside_the_first():
    both = {"mteb": PARTS["mteb"], "mteb-amx": {**PARTS["mteb"], "device": "one with tiles"}}
    assert "| one with tiles |" in page.page(both)
    labels = [bar.label for bar in page.bars(both)]
    assert labels[2:] == [f"AMX, {label}" for label in labels[:2]]


def test_where_bfloat16_is_emulated_there_is_none():
    row = text_part()["rows"][0]
    plain = {
        "seconds": {name: of for name, of in row["seconds"].items() if "bf16" not in name},
        "ceiling": {when: {"fp32": of["fp32"]} for when, of in row["ceiling"].items()},
    }
    told = page.page({"text-avx2": {**text_part(), "rows": [{**row, **plain}]}})
    assert "| bench fp32 |" in told
    assert "| bench bf16 |" not in told


def test_the_plot_is_xml_with_a_dot_a_ratio():
    found = list(page.bars(PARTS))
    tree = ET.fromstring(plot.svg([*found, plot.Bar("a < b", found[0].ratio, "text")]))
    dots = tree.findall("{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(found) + 1
    assert float(dots[0].get("cx")) > float(dots[1].get("cx"))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04567, "0.0457"), (1.234, "1.23"), (123.4, "123"), (1, "1.00")]
)
def test_three_digits(value, shown):
    assert page.significant(value) == shown
    assert page.interval(Ratio(ratio=value, low=value, high=value, pairs=1)).startswith(shown)


def test_a_file_is_read_back_as_it_was_written(tmp_path):
    for part in PARTS.values():
        path = facts.write(part, tmp_path)
        assert len(path.read_text().splitlines()) < len(json.dumps(part, indent=1).splitlines())
    assert page.read(tmp_path) == json.loads(json.dumps(PARTS))
    page.rebuild(tmp_path)
    assert (tmp_path / "README.md").read_text() == page.page(PARTS)


def test_the_published_page_is_made_of_the_published_files():
    parts = page.read()
    if not parts:
        pytest.skip("nothing is published yet")
    assert (facts.FOLDER / "README.md").read_text(encoding="utf-8") == page.page(parts)
    assert (facts.FOLDER / "ratios.svg").read_text(encoding="utf-8") == plot.svg(
        list(page.bars(parts))
    )


def test_threads_are_pinned_before_torch_is_there():
    with pytest.raises(RuntimeError, match="before"):
        facts.pin_threads(2)


def test_cosines_are_row_by_row():
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    other = rows.copy()
    other[3] *= -1
    assert contenders.cosines(rows, 2 * rows)["least"] == pytest.approx(1.0)
    assert contenders.cosines(rows, other) == pytest.approx({"least": -1.0, "mean": 0.6})
    with pytest.raises(ValueError, match="not of the same texts"):
        contenders.cosines(rows, rows[:4])


def test_windows_hold_each_text_once():
    assert contenders.distinct(["a", "b", "a"]) == ["a", "b"]
    assert list(contenders.batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    given = text.Corpus("films", (("a", "b"),), ((3, 5),))
    assert given.flops == [
        3 * text.ENCODER.flops_per_token(3) + 5 * text.ENCODER.flops_per_token(5)
    ]


def test_products_come_near_to_the_encoders_flops():
    assert text.calls(10.4 * text.PRODUCT.flops) == 10
    assert text.calls(1.0) == 1


def test_the_gradient_is_what_the_solver_says():
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 8)
    features = rng.normal(size=(24, 5)).astype(np.float32)
    problem = Problem(features, targets, 1.0)
    (found,) = solve([problem], tolerance=1e-5)
    fit = heads.Fit(found.weights, found.intercepts)
    assert heads.gradient_norm(problem, fit) == pytest.approx(found.gradient_norm, abs=2e-7)
    assert (heads.predictions([fit], features)[0] == found.probabilities(features).argmax(1)).all()


def test_benchs_side_of_the_protocol_starts_from_nothing(tmp_path):
    command, environment = mteb_protocol.prepared("bench", contenders.Precision.BF16, tmp_path)
    suite = (tmp_path / "mteb-banking77.toml").read_text()
    assert 'precision = "bf16"' in suite
    assert command[-4:] == ["--runs", str(tmp_path / "runs"), "--device", "cpu"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["assets"]
    assert environment["BENCH_CACHE"] == str(tmp_path / "cache")


def test_threads_are_pinned_before_numpy_is_there():
    code = "from tests.benchmarks.peers import __main__, facts; facts.pin_threads(1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=facts.FOLDER.parents[1])
    assert done.returncode == 0
