"""Which ratios, shares and gaps the parts' files hold: pure functions of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.stats.components import ALPHA
from bench.stats.paired import Comparison, compare
from bench.stats.ratios import Ratio, paired_ratio

TEXT_PAIRS = {
    "bench fp32": (
        "sentence-transformers fp32",
        "sentence-transformers tuned fp32",
        "transformers loop fp32",
        "onnxruntime fp32",
    ),
    "bench bf16": ("sentence-transformers tuned bf16", "sentence-transformers fp32"),
    "bench bf16, compiled": ("sentence-transformers tuned bf16", "sentence-transformers fp32"),
    "bench bf16, warm tokens": ("sentence-transformers tuned bf16",),
}


@dataclass(frozen=True, slots=True)
class Versus:
    """How many times as fast one is as another, pair by pair."""

    of: str
    against: str
    ratio: Ratio


def faster(of: str, against: str, seconds: Mapping[str, Sequence[float]]) -> Versus:
    """Time of `against` over that of `of`: above 1 `of` is faster."""
    return Versus(of, against, paired_ratio(seconds[against], seconds[of]))


def text_pairs(row: Mapping[str, Any]) -> list[Versus]:
    """The pairs of one corpus that ran."""
    seconds = row["seconds"]
    return [
        faster(of, against, seconds)
        for of, others in TEXT_PAIRS.items()
        for against in others
        if of in seconds and against in seconds
    ]


def tuned_pairs(row: Mapping[str, Any]) -> list[Versus]:
    """What tuning gave: each swept setting of sentence-transformers against its default."""
    seconds, plain = row["seconds"], "sentence-transformers fp32"
    tuned = "sentence-transformers tuned fp32"
    return [faster(tuned, plain, seconds)] if tuned in seconds and plain in seconds else []


def share(row: Mapping[str, Any], of: str, product: str) -> Ratio:
    """FLOPs a second of the encoder over those of the bare product in the same round."""
    done, useful = np.array(row["product_flops"]), np.array(row["flops"])
    above = np.array(row["seconds"][product]) * useful / done
    return paired_ratio(above, row["seconds"][of])


def share_of_torch(row: Mapping[str, Any], of: str, precision: str) -> float:
    """Median FLOPs a second over the best of torch's products, before and after."""
    rate = float(np.median(np.array(row["flops"]) / np.array(row["seconds"][of])))
    best = max(rate for when in row["ceiling"].values() for rate in when[precision].values())
    return rate / best


def mteb_pairs(part: Mapping[str, Any]) -> dict[str, dict[str, Versus]]:
    """By precision and clock."""
    found: dict[str, dict[str, Versus]] = {}
    for precision in ("fp32", "bf16"):
        runs = [run for run in part["runs"] if run["precision"] == precision]
        if not runs:
            continue
        found[precision] = {}
        for clock in ("wall", "inside"):
            seconds = {
                side: [run[clock] for run in sorted(runs, key=_round) if run["side"] == side]
                for side in ("bench", "mteb")
            }
            found[precision][clock] = faster("bench", "mteb", seconds)
    return found


def _round(run: Mapping[str, Any]) -> int:
    return int(run["round"])


def score_gap(part: Mapping[str, Any], precision: str) -> dict[str, float]:
    """Largest difference of a score between the sides, of their means, and of the publication."""
    of = {
        side: [
            np.array([run["accuracy"], run["macro_f1"]])
            for run in part["runs"]
            if run["precision"] == precision and run["side"] == side
        ]
        for side in ("bench", "mteb")
    }
    pairs = list(zip(of["bench"], of["mteb"], strict=True))
    published = np.array([part["published"]["accuracy"], part["published"]["macro_f1"]])
    return {
        "each": max(float(np.abs(a - b).max()) for a, b in pairs),
        "mean": max(float(np.abs(a.mean(1) - b.mean(1)).max()) for a, b in pairs),
        "published": max(float(np.abs(a.mean(1) - published.mean(1)).max()) for a in of["bench"]),
    }


def heads_pairs(row: Mapping[str, Any]) -> list[Versus]:
    """With all threads against all of scikit-learn's ways, and with one against its ones of one."""
    seconds = row["seconds"]
    found = []
    for against in seconds:
        if not against.startswith("scikit-learn"):
            continue
        found.append(faster("bench", against, seconds))
        if against.endswith("1 thread") and "bench, 1 thread" in seconds:
            found.append(faster("bench, 1 thread", against, seconds))
    return found


def training_pair(row: Mapping[str, Any], clock: str = "seconds") -> Versus:
    """Of a method's fits, draw by draw; `clock` is seconds or processor_seconds."""
    return faster("bench", row["rival"], row[clock])


@dataclass(frozen=True, slots=True)
class Gap:
    """Accuracy of both by draw, and bench's less the other's: `half` is that of the t interval
    over draws (None of one draw), `paired` goes over draws and test items."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    difference: float
    half: float | None
    paired: Comparison


def training_gap(row: Mapping[str, Any]) -> Gap:
    """From which test items each has right."""
    ours, theirs = hits(row["right"]["bench"]), hits(row["right"][row["rival"]])
    by_draw = ours.mean(1) - theirs.mean(1)
    n, half = len(by_draw), None
    if n > 1:
        half = float(stdtrit(n - 1, 1 - ALPHA / 2) * by_draw.std(ddof=1) / np.sqrt(n))
    return Gap(
        tuple(ours.mean(1).tolist()),
        tuple(theirs.mean(1).tolist()),
        float(by_draw.mean()),
        half,
        compare(ours, theirs),
    )


def hits(words: Sequence[str]) -> NDArray[np.float64]:
    """Words of 0 and 1, one a draw, as numbers `(draws, items)`."""
    return np.array([[float(digit) for digit in word] for word in words])
