"""`make scaling`: does extraction cost the same per item at any size, in bounded memory?

1,000, 10,000 and 100,000 distinct texts (windows of ten words of reuters-r8's training texts)
through minilm-l6 on the CPU, features written out of core. Writes results/throughput/scaling.json
and the table of scaling.md. Four minutes on two cores.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Self

import numpy as np

from bench import backbones, tasks
from bench.core.suite import Precision
from bench.extract import extract
from bench.extract.run import CHUNK
from bench.measure import peak, provenance, reset_peak

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 3
"""Of the two smaller sizes, around the largest, so that a drifting machine shows."""
WORDS = 10
BOUND, BYTES_A_TEXT = 450_000_000, 200
FOLDER = Path(__file__).parents[2] / "results" / "throughput"


def windows(count: int) -> list[str]:
    """Distinct windows of words, spread over the whole of the corpus."""
    found: dict[str, None] = {}
    for text in tasks.registry()["reuters-r8"].load().train.inputs:
        words = text.split()
        for start in range(0, len(words) - WORDS, 5):
            found.setdefault(" ".join(words[start : start + WORDS]))
    if len(found) < count:
        raise RuntimeError(f"the corpus has {len(found)} windows, not {count}")
    chosen = np.random.default_rng(0).permutation(len(found))[:count]
    every = list(found)
    return [every[i] for i in chosen]


def main() -> None:
    texts = windows(max(SIZES))
    backbone = backbones.registry()["minilm-l6"].load("cpu", Precision.FP32, [])
    extract(backbone, texts[:2_000], "cpu")  # warm
    small = [size for size in SIZES[:-1] for _ in range(ROUNDS)]
    order = [*small, SIZES[-1], *small[::-1]]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate(order):
            start = (number * size) % (len(texts) - size + 1)  # other texts each time
            path = Path(folder) / f"{number}.f32"
            out = np.memmap(path, np.float32, "w+", shape=(size, backbone.spec.width))
            reset_peak()
            before, own = resident(), anonymous()
            with Watch() as watch:
                found = extract(backbone, texts[start : start + size], "cpu", out=out)
            rows.append(
                {
                    "items": size,
                    "seconds": found.seconds,
                    "tokens": int(found.lengths.sum()),
                    "bytes_before": before,
                    "bytes_peak": peak().bytes_resident,
                    "bytes_anonymous": watch.most - own,
                    "bytes_features": out.nbytes,
                }
            )
            sys.stderr.write(f"{size:,} texts: {1e6 * found.seconds / size:.0f} us each\n")
            del out, found
            os.truncate(path, 0)
    write(rows)


def resident() -> int:
    """The resident set of this process now, in bytes (proc(5): the second field is in pages)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def anonymous() -> int:
    """What of it is in no file, in bytes: mapped features are (proc(5), RssAnon)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("this system does not tell what memory is anonymous")


class Watch:
    """The most of `anonymous` inside, looked at a hundred times a second: no kernel keeps it."""

    def __enter__(self) -> Self:
        self.most, self._done = anonymous(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.01):
            self.most = max(self.most, anonymous())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def write(rows: list[dict[str, float]]) -> None:
    where = provenance("cpu", "fp32", deterministic=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {
        "schema": 1,
        "device": where.device_name,
        "threads": where.threads,
        "date": where.date,
        "packages": where.packages,
        "load": os.getloadavg()[0],
        "rows": rows,
    }
    (FOLDER / "scaling.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    where_and_when = f"{where.device_name}, {where.threads} threads, {where.date[:10]}"
    heads = (
        *("texts", "runs", "us a token, median", "against 1,000 texts", "MB above start"),
        *("of them in no file", "bound of these", "features"),
    )
    lines = [
        "# Scaling",
        "",
        f"minilm-l6, fp32, {where_and_when}: distinct windows of {WORDS} words, features written",
        "out of core. `make scaling` makes this page. Above the start are one batch, the token ids",
        f"of one chunk of at most {CHUNK:,} texts, place, length and name of each text, and the",
        "mapped features, which are in their file and which the system can take back. The bound",
        f"without these is {BOUND / 1e6:.0f} MB and {BYTES_A_TEXT} bytes a text; the page is only",
        "made where it holds.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---:|' * len(heads)}",
    ]
    first = None
    for size in SIZES:
        of = [row for row in rows if row["items"] == size]
        cost = float(np.median([1e6 * row["seconds"] / row["tokens"] for row in of]))
        first = first or cost
        above = max(row["bytes_peak"] - row["bytes_before"] for row in of) / 1e6
        features = of[0]["bytes_features"] / 1e6
        own, bound = max(row["bytes_anonymous"] for row in of), BOUND + BYTES_A_TEXT * size
        if own > bound:
            raise RuntimeError(f"{size:,} texts took {own:,} bytes, beyond the bound of {bound:,}")
        cells = (
            *(f"{size:,}", str(len(of)), f"{cost:.1f}", f"{cost / first:.3f}", f"{above:.0f}"),
            *(f"{own / 1e6:.0f}", f"{bound / 1e6:.0f}"),
        )
        lines.append(f"| {' | '.join(cells)} | {features:.0f} MB |")
    (FOLDER / "scaling.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
