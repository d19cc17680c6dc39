"""What `precision = "auto"` comes to: the fastest whose features stay near those of float32.

Decided once for each backbone and kind of device, in a process of its own (it needs
torch), and kept in the suite's lock file: timing noise must not choose scores.

    python -m bench.runner.precision SUITE DEVICE LABEL...    prints one JSON object
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.backbones import Plugin
from bench.backbones.compiled import compile_forward
from bench.core.backbone import Backbone, BackboneSpec
from bench.core.cell import label_of
from bench.core.errors import DivergedError, UserError
from bench.core.identity import digest
from bench.core.suite import Precision, Resolved, Suite
from bench.core.task import Input, Modality, Task
from bench.measure import Clock, wall
from bench.runner.parts import seen

TOLERANCE = 1e-3
"""Largest drift: bfloat16 on MiniLM has 8e-5, and a probe's accuracy moves by tenths of a point."""
FASTER = 0.10
"""Another precision must be this much faster than float32: below, noise would decide."""
ITEMS = 256
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """One precision on the sample: median seconds, and drift from float32."""

    seconds: float
    drift: float


def choose_precision(tried: Mapping[Precision, Tried]) -> Resolved:
    """The fastest within the tolerance; float32 where none is clearly faster."""
    usual = tried[Precision.FP32]
    fitting = {
        precision: of
        for precision, of in tried.items()
        if of.drift <= TOLERANCE and of.seconds <= (1 - FASTER) * usual.seconds
    }
    if not fitting:
        return Resolved(Precision.FP32, 0.0)
    best = min(fitting, key=lambda precision: fitting[precision].seconds)
    return Resolved(best, fitting[best].drift)


def drift_of(features: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """1 - the least cosine of features `(n, d)` with the reference; 1 where one is all zero."""
    one, other = (np.asarray(x, dtype=np.float64) for x in (features, reference))
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = np.divide(
        (one * other).sum(axis=1), length, out=np.zeros_like(length), where=length > 0
    )
    return float(max(0.0, 1.0 - cosine.min()))


def try_all(
    extractors: Mapping[Precision, Callable[[], NDArray[np.float32]]], clock: Clock = wall
) -> dict[Precision, Tried]:
    """Each on the same sample, interleaved there and back, after a round that is not counted; a
    precision that gives NaN or Inf is left out.

    Raises:
        DivergedError: if float32 gives them.
    """
    features: dict[Precision, NDArray[np.float32]] = {}
    for precision, run in extractors.items():
        try:
            features[precision] = run()
        except DivergedError:
            if precision is Precision.FP32:
                raise
    seconds: dict[Precision, list[float]] = {precision: [] for precision in features}
    order = list(features)
    for number in range(ROUNDS):
        for precision in order if number % 2 else order[::-1]:
            start = clock()
            extractors[precision]()
            seconds[precision].append(clock() - start)
    reference = features[Precision.FP32]
    return {
        precision: Tried(float(np.median(seconds[precision])), drift_of(found, reference))
        for precision, found in features.items()
    }


def name_of(label: str, device: str, spec: BackboneSpec, *, compiled: bool) -> str:
    """A decision's name in the lock file: another backbone under the same label is decided anew."""
    return f"{label} on {device}, {digest([spec.identity, compiled])[:8]}"


def decide_apart(suite: Path, device: str, labels: Sequence[str]) -> dict[str, Resolved]:
    """`decide` in a process of its own.

    Raises:
        UserError: if it fails, with its last line.
    """
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(  # noqa: S603 -- our own module
        [sys.executable, "-m", "bench.runner.precision", str(suite), device, *labels],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"the precision could not be decided: {last}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        label: Resolved(Precision(of["use"]), float(of["drift"])) for label, of in found.items()
    }


def decide(
    suite: Suite, pins: Mapping[str, str], device: str, labels: Sequence[str]
) -> dict[str, Resolved]:
    """Load each backbone in every precision of the device, and choose.

    The sample is of the training inputs of the suite's first task that the backbone reads and
    that is not optional; one that no such task uses, or that has no weights, stays at float32.
    """
    from bench import backbones, tasks

    folder = Path(suite.folder)
    built = [tasks.build(entry, folder, pins) for entry in suite.tasks if not entry.optional]
    found = {}
    for entry in suite.backbones:
        label = label_of(entry)
        if label not in labels:
            continue
        plugin = backbones.build(entry, folder, pins)
        fitting = [t for t in built if t.spec.reads(plugin.spec.modality)]
        inputs: list[Input] = []
        if fitting and plugin.spec.assets:
            inputs = _sample(fitting[0], plugin.spec.modality)
        if inputs:
            ways = _extractors(plugin, inputs, device, compiled=suite.compile)
            found[label] = choose_precision(try_all(ways))
        else:
            found[label] = Resolved(Precision.FP32, 0.0)
    return found


def _sample(task: Task, modality: Modality) -> list[Input]:
    """The first training inputs that a backbone of this modality reads; a part may be missing."""
    read = seen(task.load().train.inputs, task.spec.part(modality))
    return list(islice((item for item in read if item is not None), ITEMS))


def _extractors(
    plugin: Plugin, inputs: Sequence[Input], device: str, *, compiled: bool
) -> dict[Precision, Callable[[], NDArray[np.float32]]]:
    """Features of `inputs`, from the backbone in each precision that the device computes fast."""
    from bench.extract import extract

    def extractor(loaded: Backbone) -> Callable[[], NDArray[np.float32]]:
        backbone = compile_forward(loaded) if compiled else loaded
        return lambda: extract(backbone, inputs, device).features

    return {p: extractor(plugin.load(device, p, inputs)) for p in candidates(device)}


def candidates(device: str) -> tuple[Precision, ...]:
    """What a kind of device computes fast."""
    if device == "cuda":
        return Precision.FP32, Precision.BF16, Precision.FP16
    return Precision.FP32, Precision.BF16


def main() -> None:
    from bench.assets import Lock
    from bench.runner.plan import validated
    from bench.suite_file import read

    path, device, *labels = sys.argv[1:]
    suite = validated(read(Path(path)))
    found = decide(suite, Lock.beside(Path(path)).pins, device, labels)
    plain = {label: {"use": of.precision.value, "drift": of.drift} for label, of in found.items()}
    sys.stdout.write(f"\n{json.dumps(plain)}\n")


if __name__ == "__main__":
    main()
