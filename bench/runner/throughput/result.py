"""What `bench throughput` found, as plain data with a schema number."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.core.record import Provenance
from bench.extract import Sweep
from bench.measure import Ceiling, ClockCheck, Launches, Limit, Peak, Rate, Timing

SCHEMA = 1
KIND = "throughput"
SHAPED = "model-shaped product"
"""Torch's product at the backbone's own shape, among `Limits.products`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One number with its raw samples: `timing` is of one sample, a part of `items` items.

    `units` are the real tokens (images, clips) of a part, on average over the `parts` that
    were gone through in turn; the parts are equal in items and like in lengths.
    """

    items: int
    units: float
    parts: int
    timing: Timing
    items_per_second: Rate
    units_per_second: Rate

    @classmethod
    def of(cls, timing: Timing, items: int, units: float, parts: int) -> Speed:
        """Rates from seconds."""
        return cls(
            items=items,
            units=units,
            parts=parts,
            timing=timing,
            items_per_second=timing.rate(items),
            units_per_second=timing.rate(units),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The batch budget, where it is from, and what it came to.

    `origin` is "swept now", "found before" or "default"; `reason` says why nothing was swept.
    """

    budget: int
    origin: str
    sweep: Sweep | None
    reason: str | None
    padding_share: float
    halvings: int
    batches_per_part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Joules:
    """Energy of extraction end to end; `joules_per_item` is None with the reason."""

    joules_per_item: float | None
    watts: float | None
    seconds: float
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that the device gave, in this run, and how near to it the forward pass came.

    `products` are FLOP/s by the product that gave them; the best, `ceiling`, is the limit.
    `afterwards` is the model-shaped product's once more when everything had been timed.
    The amounts are of one item on average, by the formula that `source` names. The shares are
    of the device's number, `end_to_end` is the share of FLOPs of the other, `tighter` the
    limit that is met first; None where not enough is known of the architecture.
    """

    measured: Ceiling
    packed: Timing | None
    products: Mapping[str, float]
    ceiling: str
    afterwards: float
    bytes_per_second: float
    source: str
    flops_per_item: float | None
    bytes_per_item: float | None
    flop_share: float | None
    bandwidth_share: float | None
    tighter: Limit | None
    end_to_end: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Cosine of features with those in float32, over `items`."""

    items: int
    least: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The output after timing against the first one: the largest difference, over the largest
    feature. It is finite and within `tolerance`, or there is no result."""

    items: int
    end_to_end: float
    device: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """All of it. `stages` are median seconds of one part end to end, `other` what they leave.

    `load_average` is of the minute before anything was timed (None where the system has none).
    `processor_share` is the processor time that this process had while it was timed end to
    end, over that of its threads: well below 1 on a CPU, others had the rest.
    """

    backbone: str
    task: str | None
    length: int | None
    modality: str
    unit: str
    items: int
    repeats: int
    end_to_end: Speed
    device: Speed
    warm_tokens: Speed | None
    warm_tokens_reason: str | None
    stages: Mapping[str, float]
    batches: Batches
    memory: Peak
    energy: Joules
    limits: Limits
    launches: Launches
    drift: Drift | None
    checked: Checked
    clock: ClockCheck | None
    provenance: Provenance
    compiled: bool
    cores: int
    matmul: str
    load_average: float | None
    processor_share: float

    @property
    def file_name(self) -> str:
        """Of the JSON file: backbone, inputs, precision, whether compiled, and kind of device."""
        inputs = self.task or f"{self.length}"
        compiled = ("compiled",) if self.compiled else ()
        at = self.provenance
        words = (self.backbone, inputs, at.precision, *compiled, at.device)
        return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word) for word in words) + ".json"

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"schema": SCHEMA, "kind": KIND, **dataclasses.asdict(self)}

    def json(self) -> str:
        """As text."""
        return json.dumps(self.plain(), indent=1, allow_nan=False) + "\n"
