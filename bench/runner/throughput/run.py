"""How fast one backbone extracts features here, and what keeps it from being faster.

Three numbers, none of them derived from another: end to end, the device alone, and end to end
with token ids that are there already. `bench.runner.throughput.result` says what each is of.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.assets import cache_folder
from bench.backbones.compiled import compile_forward
from bench.core.backbone import Backbone
from bench.core.errors import CellError, UserError
from bench.core.suite import Precision
from bench.core.task import Input, Modality
from bench.extract import Budgets, Extracted, TokenCache, default_budget, extract
from bench.measure import (
    Ceiling,
    ClockCheck,
    EnergyWindow,
    Launches,
    Timing,
    WallClock,
    check_clock,
    count_launches,
    device_stopwatch,
    keep_memory,
    measure,
    measure_ceiling,
    peak,
    provenance,
    reset_peak,
    synchroniser,
)
from bench.measure.ceiling import product
from bench.runner.throughput.budget import find_budget
from bench.runner.throughput.calls import PACE, Calls, Pace, time_extraction
from bench.runner.throughput.device import OnDevice, difference, drift, on_device
from bench.runner.throughput.limits import (
    LEAST_POSITIONS,
    MOST_POSITIONS,
    OPERANDS,
    Cost,
    cost_of,
    limits,
    packed_timing,
)
from bench.runner.throughput.result import Batches, Checked, Drift, Joules, Speed, Throughput
from bench.runner.throughput.setup import UNITS, Asked, Chosen, Inputs, Part, choose, deal, read
from bench.runner.workbench import budget_name
from bench.runner.worker import resolved_device

Say = Callable[[str], None]

TOLERANCE = {Precision.FP32: 1e-4, Precision.BF16: 2e-2, Precision.FP16: 5e-3}
"""Largest difference of the same output made twice, over its largest value: some units of the
last place of each type, since threads may add in another order."""
DRIFT_ITEMS = 256


def throughput(asked: Asked, say: Say = lambda _: None, pace: Pace | None = None) -> Throughput:
    """Load, sweep, time, check; `say` gets a line a step.

    Raises:
        UserError: on a name, device or option that cannot be, data that cannot be had, or an
            output that is not what it was before.
    """
    chosen = choose(asked)

    import torch

    keep_memory()
    device = resolved_device(asked.device)
    inputs = read(asked, chosen, device)
    say(f"{chosen.label} in {asked.precision} on {device}: loading")
    try:
        with torch.inference_mode():
            return _Run(asked, chosen, device, inputs, say, pace or PACE)()
    except torch.OutOfMemoryError as error:
        raise UserError(f"{chosen.label}: one item alone does not fit into {device}") from error
    except torch._dynamo.exc.TorchDynamoException as error:  # noqa: SLF001 -- its only name
        cause = str(getattr(error, "inner_exception", error)).strip().splitlines()[0]
        raise UserError(f"{chosen.label} could not be compiled: {cause}") from error
    except CellError as error:
        raise UserError(str(error)) from error


class _Run:
    """One backbone on one device."""

    def __init__(
        self, asked: Asked, chosen: Chosen, device: str, inputs: Inputs, say: Say, pace: Pace
    ) -> None:
        self.asked, self.chosen, self.device = asked, chosen, device
        self.inputs, self.say, self.pace = inputs, say, pace
        self.load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        self.backbone = self._load(asked.precision, compiled=asked.compile)
        self.unit = UNITS[self.backbone.spec.modality]
        self.prepared = self.backbone.prepare(inputs.inputs)
        self.lengths: NDArray[np.int64] = self.prepared.lengths

    def __call__(self) -> Throughput:
        with tempfile.TemporaryDirectory(prefix="bench-tokens-") as folder:
            warm = TokenCache(Path(folder)) if self.backbone.tokenizer else None
            return self._measured(warm)

    def _measured(self, warm: TokenCache | None) -> Throughput:
        say, pace = self.say, self.pace
        rate = self._pilot()
        say(f"about {rate:.3g} items a second; {len(self.lengths):,} distinct inputs")
        if warm is not None:
            warm.prepare(self.backbone, self.inputs.inputs)
        budget, origin, sweep, reason = find_budget(
            self.asked.sweep,
            Budgets(cache_folder() / "budgets.json"),
            budget_name(self.backbone.spec, self.device, self.asked.precision),
            default_budget(self.backbone, self.device),
            self.lengths,
            rate,
            pace.sweep_seconds,
            lambda some, units: self._extract(some, units, warm).seconds,
            say,
        )
        least = int(np.ceil(budget / self.lengths.mean()))  # a full batch at least
        parts = deal(self.lengths, max(round(pace.part_seconds * rate), least, 1))
        first = self._extract(parts[0], budget)
        budget = first.budget  # smaller where memory was short
        one = self.backbone.collate(self.prepared, parts[0][:1])
        width = first.features.shape[1]
        asked, compiled = self.asked, self.asked.compile
        cost = cost_of(self.backbone, one, width, asked.precision, compiled=compiled)
        say("measuring what the device can do")
        ceiling, packed = self._ceiling(cost, budget)
        say("timing end to end")
        reset_peak(self.device)
        start, before = time.perf_counter(), time.process_time()
        whole, calls, energy = self._end_to_end(parts, budget)
        spent, used_up = time.perf_counter() - start, time.process_time() - before
        memory = peak(self.device)
        say("timing the device alone")
        device = on_device(self.backbone, self.prepared, parts, budget, self.device)
        device_timing = measure(device.work, pace.device_watch(self.device), pace.rule)
        alone = Speed.of(device_timing, len(parts[0]), device.units, len(device.batches))
        warmed = None
        if warm is not None:
            say("timing with warm token ids")
            timing, _ = self._timed(parts, budget, warm)
            warmed = Speed.of(timing, whole.items, whole.units, whole.parts)
        say("measuring once more what the device can do, and checking the output")
        afterwards = self._afterwards(ceiling)
        checked = self._checked(parts[0], budget, first, device)
        used = np.concatenate(parts)
        timed = np.concatenate(parts[: len(device.batches)])
        return Throughput(
            backbone=self.chosen.label,
            task=self.asked.task,
            length=self.inputs.length,
            modality=self.backbone.spec.modality.value,
            unit=self.unit,
            items=len(used),
            repeats=self.inputs.repeats,
            end_to_end=whole,
            device=alone,
            warm_tokens=warmed,
            warm_tokens_reason=None if warmed else self._untokenised(),
            stages=calls.stages(whole.timing.warm_up, whole.timing.median),
            batches=Batches(
                budget=budget,
                origin=origin,
                sweep=sweep,
                reason=reason,
                padding_share=calls.padding_share,
                halvings=max(first.halvings, calls.halvings),
                batches_per_part=calls.batches,
            ),
            memory=memory,
            energy=energy,
            limits=limits(
                cost,
                ceiling,
                packed,
                afterwards,
                self.lengths[used],
                (alone, self.lengths[timed]),
                whole,
            ),
            launches=self._launches(device),
            drift=self._drift(parts[0], budget, first),
            checked=checked,
            clock=self._clocks(device) if self.device == "cuda" else None,
            provenance=provenance(self.device, self.asked.precision.value, deterministic=False),
            compiled=compiled,
            cores=_cores(),
            matmul=_matmul(),
            load_average=self.load_average,
            processor_share=used_up / (spent * _threads()),
        )

    def _load(self, precision: Precision, *, compiled: bool = False) -> Backbone:
        found = self.chosen.plugin.load(self.device, precision, self.inputs.inputs[:0])
        return compile_forward(found) if compiled else found

    def _some(self, part: Part) -> Sequence[Input]:
        return [self.inputs.inputs[i] for i in part]

    def _extract(
        self, part: Part, budget: int | None, tokens: TokenCache | None = None
    ) -> Extracted:
        return extract(
            self.backbone,
            self._some(part),
            self.device,
            clock=self.pace.clock,
            budget=budget,
            tokens=tokens,
        )

    def _timed(
        self, parts: Sequence[Part], budget: int, tokens: TokenCache | None
    ) -> tuple[Timing, Calls]:
        raw = [self._some(part) for part in parts]
        return time_extraction(self.backbone, raw, self.device, budget, tokens, self.pace)

    def _pilot(self) -> float:
        """Items a second, roughly: the better of two calls, for the first one allocates."""
        everything = np.arange(len(self.lengths))
        count = min(8, len(everything))
        while True:
            calls = [self._extract(everything[:count], None).seconds for _ in range(2)]
            if min(calls) >= self.pace.part_seconds / 4 or count == len(everything):
                return count / max(min(calls), 1e-6)
            count = min(4 * count, len(everything))

    def _ceiling(self, cost: Cost, budget: int) -> tuple[Ceiling, Timing | None]:
        """The limits, before peaks are reset: their buffers are large."""
        pace, watch = self.pace, self.pace.device_watch(self.device)
        found = measure_ceiling(
            self.device,
            self.asked.precision,
            tokens=int(np.clip(budget * cost.positions, LEAST_POSITIONS, MOST_POSITIONS)),
            width=cost.width,
            feed_forward=cost.feed_forward,
            side=pace.side,
            copy_bytes=pace.copy_bytes,
            rule=pace.ceiling_rule,
            watch=watch,
        )
        rule, compiled = pace.ceiling_rule, self.asked.compile
        return found, packed_timing(found, watch, rule, compiled=compiled)

    def _afterwards(self, before: Ceiling) -> Timing:
        """The product at the model's shape again: a device does not stay as fast as it was."""
        work = product(before.feed_forward_shape, self.asked.precision, self.device)
        watch = self.pace.device_watch(self.device)
        return measure(work, watch, self.pace.ceiling_rule, cycle=OPERANDS)

    def _end_to_end(self, parts: Sequence[Part], budget: int) -> tuple[Speed, Calls, Joules]:
        """The first number, and the energy of all its calls, with more of them if it was short."""
        window, start = EnergyWindow(self.device), self.pace.clock()
        window.start()
        timing, calls = self._timed(parts, budget, None)
        number = len(calls.calls)
        while self.device == "cuda" and self.pace.clock() - start < self.pace.energy_seconds:
            calls.add(self._extract(parts[number % len(parts)], budget))
            number += 1
        spent = window.stop()
        items = number * len(parts[0])
        units = float(self.lengths[np.concatenate(parts)].sum()) / len(parts)
        energy = Joules(
            joules_per_item=None if spent.joules is None else spent.joules / items,
            watts=spent.watts,
            seconds=spent.seconds,
            reason=spent.reason,
        )
        return Speed.of(timing, len(parts[0]), units, len(parts)), calls, energy

    def _checked(self, part: Part, budget: int, first: Extracted, device: OnDevice) -> Checked:
        """Compare what comes out now with what came out first.

        Raises:
            UserError: if it is another, or not finite.
        """
        again = self._extract(part, budget).features
        found = Checked(
            items=len(part),
            end_to_end=difference(again, first.features),
            device=difference(device.features(first.features.shape[1]), first.features),
            tolerance=TOLERANCE[self.asked.precision],
        )
        if not max(found.end_to_end, found.device) <= found.tolerance:
            raise UserError(
                f"{self.chosen.label}: the output changed while it was timed, by "
                f"{found.end_to_end:.2g} end to end and {found.device:.2g} on the device "
                f"(of its largest value; at most {found.tolerance:.2g}): no speed is told"
            )
        return found

    def _drift(self, part: Part, budget: int, first: Extracted) -> Drift | None:
        """Cosines with the same backbone in float32, as it is loaded."""
        if self.asked.precision is Precision.FP32 and not self.asked.compile:
            return None
        self.say("comparing with fp32")
        some = part[:DRIFT_ITEMS]
        usual = self._load(Precision.FP32)
        wanted = extract(usual, self._some(some), self.device, budget=budget).features
        return drift(first.features[: len(some)], wanted)

    def _launches(self, device: OnDevice) -> Launches:
        return count_launches(lambda: self.backbone.forward(device.a_batch), self.device)

    def _clocks(self, device: OnDevice) -> ClockCheck:
        """Whether the host's clock, with waits, and the device's events agree on one region."""
        host = WallClock(synchronise=synchroniser(self.device))
        return check_clock(lambda: device.work(0), host, device_stopwatch(self.device))

    def _untokenised(self) -> str:
        if self.backbone.spec.modality is Modality.TEXT:
            return "its inputs are token ids already"
        return f"{self.backbone.spec.modality.value} has no token ids"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> int:
    """Threads of one operation."""
    import torch

    return torch.get_num_threads()


def _matmul() -> str:
    """What torch allows float32 products: "highest", or TF32 and the like."""
    import torch

    return torch.get_float32_matmul_precision()
