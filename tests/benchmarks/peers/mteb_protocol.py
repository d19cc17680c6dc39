"""MTEB's Banking77 protocol end to end: MTEB's own code against `bench run`.

Each run is a process of its own with fresh caches, in turn: A B, B A, ... `wall` is from the
start of the process to its end. `inside` leaves start-up out: of MTEB it is `mteb.evaluate` with
model and data loaded, of bench the phases of its ten cells (loading the model is in them,
imports and reading the suite are not).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.core.suite import Precision
from tests.benchmarks.peers.facts import say

ROOT = Path(__file__).parents[3]
SUITE = ROOT / "suites" / "mteb-banking77.toml"
PUBLISHED = ROOT / "tests" / "data" / "mteb-banking77-minilm-l6.json"
SIDES = ("bench", "mteb")


def run(
    rounds: int, precisions: Sequence[Precision], keep: Callable[[dict[str, Any]], None]
) -> None:
    """Every precision and side in turn, `rounds` times; `keep` gets what there is after each."""
    from bench import tasks
    from bench.assets import resolve
    from tests.benchmarks.peers.contenders import weights

    weights()  # in the cache before anything is timed
    for asset in tasks.registry()["banking77"].spec.assets:
        resolve(asset)
    told = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    published = {name: told[name] for name in ("accuracy", "macro_f1")}
    runs: list[dict[str, Any]] = []
    for number in range(rounds):
        for precision in precisions:
            for side in SIDES if number % 2 == 0 else SIDES[::-1]:
                found = timed(side, precision)
                say(f"{number + 1}/{rounds} {side} {precision.value}: {found['wall']:.1f} s")
                runs.append({"round": number, "side": side, "precision": precision.value, **found})
        keep({"runs": runs, "published": published})


def timed(side: str, precision: Precision) -> dict[str, Any]:
    """One process of one side in an empty folder: wall seconds and what it found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command, environment = prepared(side, precision, folder)
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        wall = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{side} failed: {done.stderr[-2000:]}")
        told = of_bench(folder) if side == "bench" else json.loads((folder / "out").read_text())
    return {"wall": wall, **told}


def prepared(side: str, precision: Precision, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command of one side and its environment: caches in `folder`, assets as they are."""
    from bench.assets import cache_folder

    environment = {**os.environ, "MTEB_CACHE": str(folder / "mteb")}
    if side == "mteb":
        module = "tests.benchmarks.peers.mteb_protocol"
        return [sys.executable, "-m", module, precision.value, str(folder / "out")], environment
    cache = folder / "cache"
    cache.mkdir()
    (cache / "assets").symlink_to(cache_folder() / "assets", target_is_directory=True)
    environment["BENCH_CACHE"] = str(cache)
    suite = folder / SUITE.name
    text = SUITE.read_text(encoding="utf-8")
    suite.write_text(
        text.replace("[suite]\n", f'[suite]\nprecision = "{precision.value}"\n', 1),
        encoding="utf-8",
    )
    options = ["--runs", str(folder / "runs"), "--device", "cpu"]
    return [sys.executable, "-m", "bench", "run", str(suite), *options], environment


def of_bench(folder: Path) -> dict[str, Any]:
    """Scores by draw, and the phases' seconds, from the records of a run."""
    from bench.store import Store

    records = sorted(Store(folder / "runs" / "mteb-banking77").final(), key=lambda r: r.draw)
    return {
        "inside": sum(sum(record.phases.values()) for record in records),
        "accuracy": [record.metrics["accuracy"] for record in records],
        "macro_f1": [record.metrics["macro_f1"] for record in records],
    }


def of_mteb(precision: Precision) -> dict[str, Any]:
    """MTEB's evaluation of its own task; the data are the same files that bench reads."""
    import mteb
    from datasets import Dataset, DatasetDict

    from bench import tasks
    from tests.benchmarks.peers.contenders import sentence_transformer

    splits = tasks.registry()["banking77"].load()
    model = sentence_transformer(precision)
    task = mteb.get_task("Banking77Classification")
    task.dataset = DatasetDict(
        {
            name: Dataset.from_dict({"text": list(split.inputs), "label": split.targets.tolist()})
            for name, split in (("train", splits.train), ("test", splits.test))
        }
    )
    task.data_loaded = True
    start = time.perf_counter()
    result = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    inside = time.perf_counter() - start
    (scores,) = result.task_results[0].scores["test"]
    each = scores["scores_per_experiment"]
    return {
        "inside": inside,
        "accuracy": [float(one["accuracy"]) for one in each],
        "macro_f1": [float(one["f1"]) for one in each],
    }


def main() -> None:
    """One run of MTEB in this process: PRECISION and the file to write."""
    found = of_mteb(Precision(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
