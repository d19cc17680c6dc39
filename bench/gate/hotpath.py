"""The short benchmark of the hot path: 100 texts through minilm-l6, end to end.

A script that `bench.gate.rerun` runs in a process of its own, with the package of one
checkout on the path; it prints one line of JSON. It uses no more of `bench` than
loading a backbone and extracting, so that it runs against older checkouts.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

ITEMS = 100
REPETITIONS = 7
WARM_UP = 2
_WORDS = ("film", "wheat", "price", "a", "the", "of", "rare", "dull", "plot", "rose", "said", "oil")


def texts() -> list[str]:
    """Fixed texts of 4 to 60 words, no two alike."""
    rng = random.Random(0)  # noqa: S311 -- fixed words, no secret
    return [
        f"{i} {' '.join(rng.choices(_WORDS, k=min(60, 4 + int(rng.expovariate(1 / 20)))))}"
        for i in range(ITEMS)
    ]


def main() -> None:
    """Print `{"package", "seconds"}`: where `bench` came from, and seconds of each repetition."""
    from bench.backbones import build
    from bench.core.suite import BackboneEntry, Precision
    from bench.extract import extract

    backbone = build(BackboneEntry(name="minilm-l6"), Path(), {}).load("cpu", Precision.FP32, [])
    items = texts()
    seconds = []
    for _ in range(WARM_UP + REPETITIONS):
        start = time.perf_counter()
        extract(backbone, items, "cpu")
        seconds.append(time.perf_counter() - start)
    plain = {"package": str(sys.modules["bench"].__file__), "seconds": seconds[WARM_UP:]}
    sys.stdout.write(json.dumps(plain) + "\n")


if __name__ == "__main__":
    main()
