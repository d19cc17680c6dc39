"""Texts to features: bench, sentence-transformers, a loop, onnxruntime, and bare products.

All in one process, in turn, on other texts each round. The products are timed as two more
contenders: in each round as many FLOPs as the encoder needs for that round's texts, so that a
share of the ceiling is a ratio of neighbours, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.core.suite import Precision
from bench.measure import Encoder, Interleaved, StopRule, WallClock, interleave, measure_ceiling
from bench.measure.ceiling import Shape
from tests.benchmarks.peers import contenders as ways
from tests.benchmarks.peers.contenders import Encode
from tests.benchmarks.peers.facts import say

LAYERS, WIDTH, INNER = 6, 384, 1536
ENCODER = Encoder(layers=LAYERS, width=WIDTH, feed_forward=INNER)
TOKENS = 4096
"""Of one product: bench's own batches of this model in float32 on a CPU; in bfloat16, where they
are twice as large, the product is as fast at either size."""
PRODUCT = Shape(m=TOKENS, k=WIDTH, n=INNER)
RULE = StopRule(most_warm_up_seconds=3.0)
"""Windows differ in length, so that times never settle; what is compiled is warm already."""
SWEEP_ROUNDS = 4
REFERENCE = "sentence-transformers fp32"
CORPORA = {
    "cpu": {"rotten-tomatoes": 600, "reuters-r8": 160},
    "cuda": {"rotten-tomatoes": 3000, "reuters-r8": 2000},
}
"""Texts a round: one to five seconds of the slowest contender on two cores, or on a GPU."""
SWEEP_SHARE = {"cpu": 3, "cuda": 1}
"""One in so many texts of a round chooses settings: there are up to eight of each."""
WINDOWS = 24


@dataclass(frozen=True, slots=True)
class Corpus:
    """Real texts in windows of so many; `lengths` in tokens by window."""

    name: str
    windows: tuple[tuple[str, ...], ...]
    lengths: tuple[tuple[int, ...], ...]

    @property
    def flops(self) -> list[float]:
        """FLOPs of the encoder's forward pass over each window, without padding."""
        return [ENCODER.flops(lengths) for lengths in self.lengths]


def corpus(name: str, texts: int, backbone: Any) -> Corpus:
    """Windows of distinct texts, spread over the whole corpus."""
    from bench import tasks

    splits = tasks.registry()[name].load()
    every = ways.distinct([*splits.train.inputs, *splits.test.inputs])
    order = np.random.default_rng(0).permutation(len(every))
    count = min(WINDOWS, len(every) // texts)
    if count < 2:
        raise ValueError(f"{name} has {len(every)} texts: too few for windows of {texts}")
    windows = tuple(
        tuple(every[i] for i in order[n * texts : (n + 1) * texts]) for n in range(count)
    )
    lengths = tuple(tuple(backbone.prepare(window).lengths.tolist()) for window in windows)
    return Corpus(name, windows, lengths)


def run(
    rounds: int,
    texts: int | None,
    threads: int,
    device: str,
    precisions: Sequence[Precision],
    keep: Callable[[dict[str, Any]], None],
) -> None:
    """Both corpora, one after the other; `keep` gets what there is after each."""
    with tempfile.TemporaryDirectory() as folder:
        say("loading, exporting and compiling")
        fixed: dict[str, Encode] = {
            **{f"bench {p.value}": ways.of_bench(p, device) for p in precisions},
            REFERENCE: ways.encode_with(ways.sentence_transformer(Precision.FP32, device)),
            "transformers loop fp32": ways.of_a_loop(device),
        }
        swept, note = {}, ""
        for precision in precisions if device == "cpu" else (Precision.BF16,):
            name = f"sentence-transformers tuned {precision.value}"
            swept[name], note = ways.tuned(precision, device)
        if device == "cpu":
            swept["onnxruntime fp32"] = ways.of_runtime(Path(folder), threads)
        else:
            fixed["bench bf16, compiled"] = ways.of_bench(Precision.BF16, device, compiled=True)
            warm = ways.of_bench_warm(Precision.BF16, device, Path(folder))
            fixed["bench bf16, warm tokens"] = warm
        backbone = ways.loaded(Precision.FP32, device)
        found: dict[str, Any] = {"compiler": note, "rows": []}
        for name, size in CORPORA[device].items():
            given = corpus(name, texts or size, backbone)
            found["rows"].append(on_corpus(given, fixed, swept, rounds, device, precisions))
            keep(found)


def on_corpus(
    given: Corpus,
    fixed: Mapping[str, Encode],
    swept: Mapping[str, Mapping[str, Encode]],
    rounds: int,
    device: str,
    precisions: Sequence[Precision],
) -> dict[str, Any]:
    """Choose settings, compare outputs, time in turn, compare outputs again."""
    chosen, sweeps = dict(fixed), {}
    for name, candidates in swept.items():
        sweeps[name] = sweep(candidates, given, SWEEP_SHARE[device])
        best = min(sweeps[name], key=lambda setting: sweeps[name][setting])
        say(f"{given.name}: {name}: {best}")
        chosen[name] = candidates[best]
    before = ways.compared(chosen, REFERENCE, given.windows[0])
    products = precisions if device == "cpu" else ()
    ceilings = {"before": ceilings_now(products)} if products else {}
    say(f"{given.name}: {rounds} rounds")
    found, windows = timed(given, chosen, rounds, products)
    if ceilings:
        ceilings["after"] = ceilings_now(products)
    after = ways.compared(chosen, REFERENCE, given.windows[-1])
    return {
        "corpus": given.name,
        "texts": len(given.windows[0]),
        "tokens": [sum(given.lengths[w]) for w in windows],
        "flops": [given.flops[w] for w in windows],
        "product_flops": [calls(given.flops[w]) * PRODUCT.flops for w in windows],
        "windows": windows,
        "order": [list(names) for names in found.order],
        "seconds": {name: list(values) for name, values in found.seconds.items()},
        "spread": found.spread,
        "cosine": {name: {"before": before[name], "after": after[name]} for name in chosen},
        "sweep_seconds": sweeps,
        "ceiling": ceilings,
    }


def sweep(candidates: Mapping[str, Encode], given: Corpus, share: int) -> dict[str, float]:
    """Median seconds of each setting on one in `share` texts of a window, in turn."""
    some = [given.windows[-1][::share]]
    works = {name: _on(encode, some) for name, encode in candidates.items()}
    rule = StopRule(most_warm_up_seconds=0.1)
    found = interleave(works, WallClock(), rounds=SWEEP_ROUNDS, rule=rule)
    return {name: float(np.median(seconds)) for name, seconds in found.seconds.items()}


def timed(
    given: Corpus, chosen: Mapping[str, Encode], rounds: int, products: Sequence[Precision]
) -> tuple[Interleaved, list[int]]:
    """Seconds of each contender and of bare `products`, and the window of each round."""
    numbers: list[int] = []

    def noting(number: int) -> object:
        numbers.append(number)
        return first(number)

    works = {name: _on(encode, given.windows) for name, encode in chosen.items()}
    first = works["bench fp32"]
    works["bench fp32"] = noting
    for precision in products:
        works[f"product {precision.value}"] = _product(precision, given.flops)
    found = interleave(works, WallClock(), rounds=rounds, rule=RULE)
    if found.repeats != 1:
        raise ValueError("a round is one window: give more texts")
    return found, [number % len(given.windows) for number in numbers[-rounds:]]


def _on(encode: Encode, windows: Sequence[Sequence[str]]) -> Callable[[int], object]:
    return lambda number: encode(windows[number % len(windows)])


def _product(precision: Precision, flops: Sequence[float]) -> Callable[[int], object]:
    work = ways.product(precision, PRODUCT.m, PRODUCT.k, PRODUCT.n)
    return lambda number: work(calls(flops[number % len(flops)]))


def calls(flops: float) -> int:
    """Products that come nearest to so many FLOPs."""
    return max(round(flops / PRODUCT.flops), 1)


def ceilings_now(precisions: Sequence[Precision]) -> dict[str, dict[str, float]]:
    """FLOP/s of torch's own products, by precision: the square one and the model's shape."""
    found = {}
    for precision in precisions:
        limit = measure_ceiling(
            "cpu",
            precision,
            tokens=TOKENS,
            width=WIDTH,
            feed_forward=INNER,
            copy_bytes=2**20,
            rule=StopRule(most_seconds=1.0, most_warm_up_seconds=1.0),
        )
        found[precision.value] = {
            "square": limit.square_flops,
            "feed_forward": limit.feed_forward_flops,
        }
    return found
