"""A data set of the hub with an image and a text in each row: every part by its own backbone, then
both together, end to end through the hub's own client and a server on loopback."""

from __future__ import annotations

import io
import json

import datasets
import numpy as np
import pytest
from PIL import Image

from tests.assets.asset_kit import serving
from tests.assets.hub_stub import COMMIT, REPOS, Hub
from tests.backbones.tiny import save_text
from tests.test_hub_suite import bench

SUITE = """
[suite]
name = "captions"
[[task]]
name = "animals"
data = "hub:datasets/org/captions"
parts = { image = "picture", text = "caption" }
label = "kind"
conditions = ["clean", "missing-image"]
[[backbone]]
name = "raw-pixels"
[[backbone]]
name = "file:tiny"
label = "tiny"
[[method]]
name = "probe"
[[method]]
name = "tfidf"
[[method]]
name = "ensemble"
label = "late"
members = ["raw-pixels / probe", "tfidf"]
[[method]]
name = "ensemble"
label = "early"
combine = "features"
members = ["raw-pixels / probe", "tiny / probe"]
[[method]]
name = "gate"
label = "gate"
members = ["raw-pixels / probe", "tiny / probe"]
"""
WORDS = {"cat": ("the cat", "sat"), "dog": ("a dog", "ran")}


def stored(count: int, seed: int) -> bytes:
    """Parquet as the hub has it: pictures that tell the kind, captions that tell it, too."""
    rng = np.random.default_rng(seed)
    kinds = [list(WORDS)[i % 2] for i in range(count)]
    shades = rng.integers(0, 60, (count, 6, 6, 3))
    for shade, kind in zip(shades, kinds, strict=True):
        shade[:, 3 * (kind == "dog") :][:, :3] += 150  # light on the left, or on the right
    columns = {
        "picture": [Image.fromarray(shade.astype(np.uint8)) for shade in shades],
        "caption": [f"{i} {WORDS[kind][i % 4 // 2]}" for i, kind in enumerate(kinds)],
        "kind": [list(WORDS).index(kind) for kind in kinds],
    }
    features = datasets.Features({
        "picture": datasets.Image(),
        "caption": datasets.Value("string"),
        "kind": datasets.ClassLabel(names=list(WORDS)),
    })  # fmt: skip
    file = io.BytesIO()
    datasets.Dataset.from_dict(columns, features=features).to_parquet(file)
    return file.getvalue()


@pytest.mark.slow
def test_images_with_captions(tmp_path):
    REPOS["datasets/org/captions"] = {
        "data/train.parquet": stored(40, 0),
        "data/test.parquet": stored(20, 1),
    }
    (tmp_path / "captions.toml").write_text(SUITE)
    save_text(tmp_path / "tiny")
    try:
        with serving(Hub) as server:
            done = bench(tmp_path, server.url, "run", "captions.toml")
    finally:
        del REPOS["datasets/org/captions"]
    assert done.returncode == 0, done.stderr
    assert COMMIT in (tmp_path / "captions.lock").read_text()
    found = {}
    for path in (tmp_path / "runs/captions/records").iterdir():
        record = json.loads(path.read_text())["record"]
        assert record["status"] == "ok", record["failure"]
        condition = record["identity"].get("condition", "clean")
        name = record["backbone"] if record["method"] == "probe" else record["method"]
        found[name, condition] = record["metrics"]["accuracy"]
    assert len(found) == 12
    names = ("raw-pixels", "tiny", "tfidf", "late", "early", "gate")
    assert min(found[name, "clean"] for name in names) > 0.9
    assert found["raw-pixels", "missing-image"] == 0.5  # what was seen most often in training
    for name in ("tiny", "tfidf"):
        assert found[name, "missing-image"] == found[name, "clean"]
    assert found["late", "missing-image"] > 0.9
