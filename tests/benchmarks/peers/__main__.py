"""The same inputs through bench and through what people use today, interleaved: `make peers`.

    python -m tests.benchmarks.peers [text|mteb|heads|page|all] [--rounds N] [--texts N] ...

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
MTEB_ROUNDS, HEADS_ROUNDS, PATH_ROUNDS = 4, 20, 15


def main() -> None:
    """Run the parts that are asked for."""
    given = arguments().parse_args()
    parts = ("text", "mteb", "heads") if given.part == "all" else (given.part,)
    facts.pin_threads(given.threads)  # before torch and numpy are there
    warnings.filterwarnings("ignore")
    for part in parts:
        if part != "page":
            before = facts.load()
            facts.say(f"{part}: load average {before}")
            found, settings = measured(part, given)
            facts.write({**facts.facts(part, before, settings=settings), **found}, given.out)
    from tests.benchmarks.peers.page import rebuild

    rebuild(given.out)


def measured(part: str, given: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """One part's samples, and what it was told."""
    if part == "text":
        from tests.benchmarks.peers import text

        rounds = given.rounds or TEXT_ROUNDS
        onnxruntime = {
            "intra_op_threads": given.threads,
            "inter_op_threads": 1,
            "execution": "sequential",
            "graph_optimisation": "all",
        }
        settings = {"rounds": rounds, "onnxruntime": onnxruntime}
        return text.run(rounds, given.texts, given.threads), settings
    if part == "mteb":
        from tests.benchmarks.peers import mteb_protocol

        rounds = given.rounds or MTEB_ROUNDS
        return mteb_protocol.run(rounds), {"rounds": rounds}
    from tests.benchmarks.peers import heads

    rounds, path_rounds = given.rounds or HEADS_ROUNDS, given.path_rounds or PATH_ROUNDS
    settings = {"rounds": rounds, "path_rounds": path_rounds, "draws": given.draws}
    return heads.run(rounds, path_rounds, given.draws, given.threads), settings


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    choices = ["text", "mteb", "heads", "page", "all"]
    parser.add_argument("part", nargs="?", default="all", choices=choices)
    parser.add_argument("--rounds", type=int, help="rounds of each contender")
    parser.add_argument("--texts", type=int, help="texts a round (the part text)")
    parser.add_argument("--path-rounds", type=int, help="rounds over the paths (the part heads)")
    parser.add_argument("--draws", type=int, default=10, help="draws (the part heads)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=facts.FOLDER, help="where results are written")
    return parser


if __name__ == "__main__":
    main()
