"""Methods that train weights, against the libraries that people train with: trec, 8 a class.

Each draw is fitted by both, one after the other, in this process: A B, B A, ... A fit is from the
texts to a classifier with the weights in memory; bench's begins with a copy of them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.draws import draw_items
from bench.core.identity import derive_seed
from bench.core.method import Parameters
from bench.core.suite import Precision, TrainRule
from bench.core.task import Split, Splits
from tests.benchmarks.peers import contenders as ways
from tests.benchmarks.peers import rivals
from tests.benchmarks.peers.facts import say

TASK, PER_CLASS = "trec", 8
OURS = "bench"
BRIEF = {"epochs": 1, "least_steps": 1, "pairs": 1}
"""A fit before the first that is timed: whatever is loaded or found out once is there then."""


@dataclass(frozen=True, slots=True)
class Match:
    """One of bench's methods, and another library's way to the same training."""

    method: str
    rival: str
    make: Callable[[Parameters, int, int], rivals.Fit]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit took, in seconds and in seconds of the process on all cores, and which test
    items `(n,)` it has right."""

    seconds: float
    processor_seconds: float
    right: NDArray[np.bool_]


MATCHES = (
    Match("finetune", "transformers Trainer", rivals.tuned),
    Match("lora", "peft, transformers Trainer", rivals.adapted),
    Match("setfit", "setfit", rivals.contrasted),
)


def run(draws: int, keep: Callable[[dict[str, Any]], None]) -> None:
    """Every method on every draw; `keep` gets what there is after each draw."""
    from bench import tasks

    splits = tasks.registry()[TASK].load()
    seed = derive_seed("cell", 0)  # what `bench run` seeds a fit with
    rows = [row_of(match, len(splits.test)) for match in MATCHES]
    found = {"task": TASK, "per_class": PER_CLASS, "backbone": ways.BACKBONE, "seed": seed}
    for match, row in zip(MATCHES, rows, strict=True):
        say(f"{match.method}: brief fits first")
        brief = {**row["parameters"], **{k: BRIEF[k] for k in BRIEF if k in row["parameters"]}}
        for side in (OURS, match.rival):
            timed(side, match, brief, splits, drawn(splits, 0), seed)
    for draw in range(draws):
        train = drawn(splits, draw)
        for number, (match, row) in enumerate(zip(MATCHES, rows, strict=True)):
            row["order"].append([OURS, match.rival][:: 1 if (draw + number) % 2 == 0 else -1])
            for side in row["order"][-1]:
                fitted = timed(side, match, row["parameters"], splits, train, seed)
                add(row, side, fitted)
                told = f"{fitted.seconds:.1f} s, {fitted.right.mean():.3f}"
                say(f"draw {draw}, {match.method}, {side}: {told}")
        keep({**found, "items": len(train), "rows": rows})


def row_of(match: Match, items: int) -> dict[str, Any]:
    """What is to be filled, with the parameters that both go by."""
    from bench import methods

    spec = methods.registry()[match.method].spec
    return {
        "method": match.method,
        "rival": match.rival,
        "parameters": spec.points({}, 1)[0],
        "test_items": items,
        "order": [],
        "seconds": {OURS: [], match.rival: []},
        "processor_seconds": {OURS: [], match.rival: []},
        "right": {OURS: [], match.rival: []},
    }


def add(row: dict[str, Any], side: str, fitted: Fitted) -> None:
    """Put a fit into its row; what it has right as a word of 0 and 1."""
    row["seconds"][side].append(fitted.seconds)
    row["processor_seconds"][side].append(fitted.processor_seconds)
    row["right"][side].append("".join("01"[int(hit)] for hit in fitted.right))


def drawn(splits: Splits, draw: int) -> Split:
    """The labelled items of a draw."""
    rule = TrainRule(per_class=PER_CLASS)
    return splits.train.take(draw_items(splits.train.targets, rule, draw).labelled)


def timed(
    side: str, match: Match, given: Parameters, splits: Splits, train: Split, seed: int
) -> Fitted:
    """One fit."""
    if side == OURS:
        fit = ours(match.method, given, splits, seed)
    else:
        fit = match.make(given, len(splits.class_names), seed)
    gc.collect()
    start, used = time.perf_counter(), time.process_time()
    predict = fit(train)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return Fitted(seconds, used, predict(splits.test.inputs) == splits.test.targets)


def ours(method: str, given: Parameters, splits: Splits, seed: int) -> rivals.Fit:
    """A method of bench's, by the context that a run would give it."""
    from bench import methods
    from bench.runner.execute import CellContext

    source: Any = ways.loaded(Precision.FP32)  # all that training asks of one
    context = CellContext(splits.class_names, seed, "cpu", source)

    def fit(train: Split) -> rivals.Predict:
        fitted = methods.registry()[method].fit(given, train, None, context)
        return lambda texts: fitted.predict(texts).classes

    return fit
