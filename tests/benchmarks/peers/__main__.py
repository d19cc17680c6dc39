"""The same inputs through bench and through what people use today, interleaved: `make peers`.

    python -m tests.benchmarks.peers [text|mteb|heads|training|page|all] [--rounds N] ...

Each part writes results/peers/PART.json and rebuilds the page beside it.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

from tests.benchmarks.peers import facts

TEXT_ROUNDS = 20
"""Ten contenders are each in each place twice in so many."""
MTEB_ROUNDS, HEADS_ROUNDS, PATH_ROUNDS = 6, 20, 15
TIGHT_PATH_ROUNDS = {"cpu": 15, "cuda": 3}
"""Beside a GPU scikit-learn takes nearly all of such a round."""
HEADS_DRAWS, TRAINING_DRAWS = 10, 5
KEEPING = ("text", "training")
"""Parts whose contenders all have what bench's workers have: freed memory stays in the process."""
ON_CUDA = ("text", "heads")
"""Parts that a GPU is used in; each is a part of its own there."""


def main() -> None:
    """Run the parts that are asked for."""
    given = arguments().parse_args()
    parts = ("text", "mteb", "heads", "training") if given.part == "all" else (given.part,)
    if given.device == "cuda":
        parts = ON_CUDA if given.part == "all" else parts
        if not set(parts) <= {*ON_CUDA, "page"}:
            raise SystemExit(f"on a GPU there are {' and '.join(ON_CUDA)}")
    facts.pin_threads(given.threads)  # before torch and numpy are there
    warnings.filterwarnings("ignore")
    for part in parts:
        if part != "page":
            measure(part, given)
    from tests.benchmarks.peers.page import rebuild

    rebuild(given.out)


def measure(part: str, given: argparse.Namespace) -> None:
    """Measure one part, and keep what there is whenever something is finished."""
    from bench.measure import keep_memory

    if given.device == "cpu" and part in KEEPING:
        keep_memory()
    before = facts.load()
    facts.say(f"{part} on {given.device}: load average {before}")
    precisions = facts.precisions(given.device)
    settings: dict[str, Any] = {}
    ending = given.kept_as or ("" if given.device == "cpu" else given.device)
    name = f"{part}-{ending}" if ending else part

    def keep(found: dict[str, Any]) -> None:
        told = facts.facts(name, before, settings=settings, device=given.device)
        facts.write({**told, **found}, given.out)

    if part == "text":
        from tests.benchmarks.peers import text

        settings["rounds"] = chosen(given.rounds, TEXT_ROUNDS)
        if given.device == "cpu":
            settings["onnxruntime"] = {
                "intra_op_threads": given.threads,
                "inter_op_threads": 1,
                "execution": "sequential",
                "graph_optimisation": "all",
            }
        text.run(settings["rounds"], given.texts, given.threads, given.device, precisions, keep)
    elif part == "mteb":
        from tests.benchmarks.peers import mteb_protocol

        settings["rounds"] = chosen(given.rounds, MTEB_ROUNDS)
        mteb_protocol.run(settings["rounds"], precisions, keep)
    elif part == "training":
        from tests.benchmarks.peers import training

        settings["draws"] = chosen(given.draws, TRAINING_DRAWS)
        training.run(settings["draws"], keep)
    else:
        from tests.benchmarks.peers import heads

        settings["rounds"] = chosen(given.rounds, HEADS_ROUNDS)
        settings["path_rounds"] = chosen(given.path_rounds, PATH_ROUNDS)
        settings["tight_path_rounds"] = chosen(
            given.tight_path_rounds, TIGHT_PATH_ROUNDS[given.device]
        )
        settings["draws"] = chosen(given.draws, HEADS_DRAWS)
        counts = heads.Counts(**settings)
        heads.run(counts, given.threads, given.device, keep)


def chosen(given: int | None, default: int) -> int:
    """What was asked for; 0 leaves a series out."""
    return default if given is None else given


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    choices = ["text", "mteb", "heads", "training", "page", "all"]
    parser.add_argument("part", nargs="?", default="all", choices=choices)
    parser.add_argument("--rounds", type=int, help="rounds of each contender")
    parser.add_argument("--texts", type=int, help="texts a round (the part text)")
    parser.add_argument("--path-rounds", type=int, help="rounds over the paths (the part heads)")
    parser.add_argument(
        "--tight-path-rounds", type=int, help="rounds over the paths at a tight tolerance"
    )
    parser.add_argument("--draws", type=int, help="draws (the parts heads and training)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cpu", help="bench's, and ST's"
    )
    parser.add_argument(
        "--as",
        dest="kept_as",
        choices=["amx", "avx2"],
        help="another kind of machine than the page's first",
    )
    parser.add_argument("--out", type=Path, default=facts.FOLDER, help="where results are written")
    return parser


if __name__ == "__main__":
    main()
