"""A suite over a model and a data set of the hub, end to end through the hub's own client.

The hub is a small server on loopback; the model is a tiny BERT, the data the example's tickets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assets.asset_kit import serving
from tests.assets.hub_stub import COMMIT, REPOS, Hub
from tests.backbones.tiny import save_text

EXAMPLES = Path(__file__).parents[1] / "examples"
SUITE = """
[suite]
name = "hub"
[[task]]
name = "tickets"
data = "hub:datasets/org/tickets"
input = "body"
label = "queue"
train = { per_class = 8 }
[[backbone]]
name = "hub:models/org/tiny"
label = "tiny"
[[method]]
name = "probe"
[[method]]
name = "tfidf"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The hub with one model and one data set more."""
    folder = save_text(tmp_path_factory.mktemp("tiny"))
    REPOS["models/org/tiny"] = {p.name: p.read_bytes() for p in folder.iterdir()}
    table = (EXAMPLES / "tickets.csv").read_text().splitlines(keepends=True)
    REPOS["datasets/org/tickets"] = {
        "train.csv": "".join(table[:161]).encode(),
        "test.csv": "".join([table[0], *table[161:]]).encode(),
    }
    with serving(Hub) as server:
        yield server
    del REPOS["models/org/tiny"], REPOS["datasets/org/tickets"]


def bench(folder: Path, endpoint: str, *arguments: str):
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={
            **environment,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(folder / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "BENCH_CACHE": str(folder / "cache"),
        },
    )


def test_model_and_data_from_the_hub(hub, tmp_path):
    (tmp_path / "hub.toml").write_text(SUITE)
    first = bench(tmp_path, hub.url, "run", "hub.toml")
    assert first.returncode == 0, first.stderr
    assert "tiny" in first.stdout
    lock = (tmp_path / "hub.lock").read_text()
    assert lock.count(COMMIT) == 2  # what the suite leaves open is held to the commit it got
    (record,) = [p for p in (tmp_path / "runs/hub/records").iterdir() if '"tiny"' in p.read_text()]
    record.unlink()
    nowhere = "http://127.0.0.1:9"  # where the hub's own cache has everything
    offline = bench(tmp_path, nowhere, "run", "hub.toml", "--locked")
    assert offline.returncode == 0, offline.stderr
    assert "1 to run" in offline.stderr


@pytest.mark.parametrize(("name", "says"), [("org/missing", "no such"), ("org/gated", "accept")])
def test_what_the_hub_refuses_is_one_sentence(hub, tmp_path, name, says):
    (tmp_path / "hub.toml").write_text(SUITE.replace("models/org/tiny", f"models/{name}"))
    done = bench(tmp_path, hub.url, "run", "hub.toml")
    assert done.returncode == 2
    assert says in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*/records/*"))
