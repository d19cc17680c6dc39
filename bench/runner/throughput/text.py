"""What `bench throughput` prints, and the table over a folder of its results."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.core.errors import StoreError
from bench.measure import Rate
from bench.runner.report import grid
from bench.runner.throughput.result import KIND, SCHEMA, SHAPED, Speed, Throughput

HEAD = """# Extraction, as measured

One row a result of `bench throughput BACKBONE --task TASK --out DIR`; the JSON file beside it has
every sample. Rates are items a second: the median, and its bootstrap 95 % interval in brackets.
*End to end* is raw inputs in, pooled features on the host out; *device alone* is prepared inputs on
the device to pooled features there; *warm tokens* is end to end with token ids that had been made
before. They are three numbers, and none follows from another. *FLOPs* is the device's share of the
fastest matrix product measured in the same run, *bandwidth* that of a large copy's rate, of the
bytes that activations move by formula: the larger is the tighter limit. *Load before* is the
machine's load average, and *processor share* what the process had of its threads' time: well below
100 %, others had the rest, and the rates are not those of the machine. Peak memory is allocated /
reserved on a GPU, resident on a CPU. The guide is docs/throughput.md.

"""
UNDISTURBED = 0.9
"""A process alone has nearly all of its threads' processor time; below this share it says so."""
RESTLESS = 1.25
"""Rates of one product before and after the timing, the larger by the smaller, above which the
result says so: a share of the limits is then uncertain by as much."""
COLUMNS = (
    "backbone", "inputs", "device", "threads", "precision", "end to end", "device alone",
    "warm tokens", "units/s on the device", "budget", "padding", "FLOPs", "bandwidth",
    "peak memory", "least cosine with fp32", "load before", "processor share", "date",
)  # fmt: skip


def screen(found: Throughput) -> str:
    """One result, for one screen."""
    at, inputs = found.provenance, found.task or _made(found)
    each = found.end_to_end
    repeats = f", {found.repeats:,} repeats left out" if found.repeats else ""
    mean = "" if found.unit != "tokens" else f" of {each.units / each.items:.1f} tokens on average"
    load = _number(found.load_average)
    parts = f"a sample is one of {each.parts} parts of {each.items:,}"
    lines = [
        f"{found.backbone} on {inputs}, {at.precision}{', compiled' if found.compiled else ''}",
        f"{at.device}: {at.device_name}, {at.threads} threads, load before {load}",
        f"{found.items:,} distinct inputs{mean}{repeats}; {parts}",
        "",
        *_speeds(found),
        "",
        *_aligned(_facts(found)),
    ]
    return "\n".join(lines)


def prepare(folder: Path) -> None:
    """Make `folder` and try its table, before anything is timed.

    Raises:
        StoreError: if it cannot be written to, or a result in it is damaged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder}: cannot be written to")
    table(folder)


def write(found: Throughput, folder: Path) -> Path:
    """Write `found` into `folder`, and the table of the folder anew.

    Raises:
        StoreError: if that cannot be done.
    """
    path = folder / found.file_name
    try:
        path.write_text(found.json(), encoding="utf-8")
        (folder / "README.md").write_text(table(folder), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to: {error.strerror}") from error
    return path


def table(folder: Path) -> str:
    """The table over all results in `folder`; other JSON files are none of it.

    Raises:
        StoreError: if a file is damaged.
    """
    results, newer = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from error
        if not isinstance(plain, dict) or plain.get("kind") != KIND:
            continue
        if plain.get("schema") != SCHEMA:
            newer.append(path.name)
            continue
        try:
            results.append(f"| {' | '.join(_row(plain))} |")
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{path}: is damaged: {error!r}") from error
    rows = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}", *results]
    notes = [f"\nNot read, of another schema: {', '.join(newer)}"] if newer else []
    return HEAD + "\n".join([*rows, *notes]) + "\n"


def _row(of: Mapping[str, Any]) -> Iterable[str]:
    at, limits, drift, warm = of["provenance"], of["limits"], of["drift"], of["warm_tokens"]
    memory = of["memory"]
    shares = limits["flop_share"], limits["bandwidth_share"]
    peaks = [memory["bytes_allocated"], memory["bytes_reserved"]]
    if peaks[0] is None:
        peaks = [memory["bytes_resident"]]
    return (
        of["backbone"],
        of["task"] or f"random, {of['length']} {_length_of(of['modality'])}",
        at["device_name"],
        str(at["threads"]),
        at["precision"] + (", compiled" if of.get("compiled") else ""),  # before it could be: no
        _interval(Rate(**of["end_to_end"]["items_per_second"])),
        _interval(Rate(**of["device"]["items_per_second"])),
        _interval(Rate(**warm["items_per_second"])) if warm else "",
        f"{_rate(of['device']['units_per_second']['median'])} {of['unit']}",
        f"{of['batches']['budget']:,}",
        f"{of['batches']['padding_share']:.1%}",
        *("" if share is None else f"{share:.0%}" for share in shares),
        " / ".join("" if size is None else f"{size / 1e9:.2f} GB" for size in peaks),
        f"{drift['least']:.5f}" if drift else "",
        _number(of["load_average"]),
        f"{of['processor_share']:.0%}" if at["device"] == "cpu" else "",
        at["date"][:10],
    )


def _speeds(found: Throughput) -> list[str]:
    named = [("end to end", found.end_to_end), ("device alone", found.device)]
    if found.warm_tokens is not None:
        named.append(("with warm token ids", found.warm_tokens))
    unit = f"{found.unit}/s" if found.unit == "tokens" else ""
    head = ("", "items/s", "95 % interval", "p5 to p95", unit, "samples", "stopped")
    return grid(head, (_speed(name, speed, found.unit) for name, speed in named))


def _speed(name: str, of: Speed, unit: str) -> tuple[str, ...]:
    items, timing = of.items_per_second, of.timing
    return (
        name,
        _rate(items.median),
        f"{_rate(items.low)} to {_rate(items.high)}",
        f"{_rate(items.p5)} to {_rate(items.p95)}",
        _rate(of.units_per_second.median) if unit == "tokens" else "",
        str(len(timing.samples)),
        f"{timing.stopped} (warm-up {timing.warm_up_stopped}, {timing.warm_up} calls)",
    )


def _facts(found: Throughput) -> Iterable[tuple[str, str]]:
    batches, limits = found.batches, found.limits
    whole = sum(found.stages.values()) or 1.0
    shares = sorted(found.stages.items(), key=lambda stage: -stage[1])
    if found.warm_tokens_reason:
        yield "warm token ids", found.warm_tokens_reason
    yield "where time goes", ", ".join(f"{name} {spent / whole:.1%}" for name, spent in shares)
    yield "batch budget", f"{batches.budget:,} {found.unit}, {_origin(found)}"
    halved = f", halved {batches.halvings} times: memory was short" if batches.halvings else ""
    yield "padding", f"{batches.padding_share:.1%} of what was computed{halved}"
    yield "peak memory", _memory(found)
    yield "energy", _energy(found)
    products = sorted(limits.products.items(), key=lambda product: -product[1])
    rates = "; ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in products)
    yield "ceiling, GFLOP/s", f"{rates} (the first is the limit)"
    yield "ceiling, GB/s", f"copy {limits.bytes_per_second / 1e9:,.1f}, read and written"
    yield "of the limits", _shares(found)
    yield "launches", _launches(found)
    if found.drift is not None:
        of = found.drift
        cosine = f"{of.least:.6f} at least, {of.mean:.6f} on average"
        yield "drift", f"cosine with fp32 {cosine} ({of.items} items)"
    if found.clock is not None:
        yield "clocks", found.clock.message
    if at_odds := _disturbed(found):
        yield "disturbed", at_odds
    check = found.checked
    gaps = f"{check.end_to_end:.1g} (device {check.device:.1g}; allowed {check.tolerance:.1g})"
    yield "checked", f"the output after timing is finite, and the first one to {gaps}"


def _disturbed(found: Throughput) -> str:
    """That others used the device at the same time, or that it did not stay as fast as it was."""
    limits = found.limits
    if max(limits.flop_share or 0.0, limits.bandwidth_share or 0.0) > 1.0:
        return "more than the limits was reached: they were measured while others had a part"
    if found.provenance.device == "cpu" and found.processor_share < UNDISTURBED:
        share = f"{found.processor_share:.0%} of its threads' processor time"
        return f"this process had {share}: others had the rest, and alone it is faster"
    before, after = limits.products[SHAPED], limits.afterwards
    if max(before, after) > RESTLESS * min(before, after):
        rates = f"{before / 1e9:,.0f} GFLOP/s before and {after / 1e9:,.0f} after"
        return f"the {SHAPED} had {rates} the timing: shares of the limits say little"
    return ""


def _origin(found: Throughput) -> str:
    batches = found.batches
    if batches.sweep is None:
        return f"{batches.origin} ({batches.reason})"
    least = min(batches.sweep.seconds)
    pairs = zip(batches.sweep.tried, batches.sweep.seconds, strict=True)
    tried = ", ".join(f"{budget:,}: {spent / least:.2f}" for budget, spent in pairs)
    return f"{batches.origin} (time over the least at {tried})"


def _memory(found: Throughput) -> str:
    of = found.memory
    device = (("allocated", of.bytes_allocated), ("reserved", of.bytes_reserved))
    named = (*device, ("resident", of.bytes_resident))
    told = [f"{size / 1e9:.2f} GB {name}" for name, size in named if size is not None]
    return ", ".join(told) or "the system does not tell"


def _energy(found: Throughput) -> str:
    of = found.energy
    if of.joules_per_item is None or of.watts is None:
        return f"not known: {of.reason}"
    return f"{of.joules_per_item:.3g} J an item, {of.watts:.0f} W over {of.seconds:.1f} s"


def _shares(found: Throughput) -> str:
    of = found.limits
    if of.flop_share is None or of.end_to_end is None:
        return f"not known: {of.source}"
    text = f"device {of.flop_share:.0%} of FLOPs"
    if of.bandwidth_share is not None:
        text += f" and {of.bandwidth_share:.0%} of bandwidth ({of.tighter} is tighter)"
    return f"{text}, end to end {of.end_to_end:.0%}; by {of.source}"


def _launches(found: Throughput) -> str:
    of = found.launches
    if of.reason:
        return f"none: {of.reason}"
    return (
        f"{of.launches} for one batch ({of.kernels} kernels, {of.copies} copies, "
        f"{of.synchronisations} waits)"
    )


def _made(found: Throughput) -> str:
    return f"random inputs of {found.length} {_length_of(found.modality)}"


def _length_of(modality: str) -> str:
    return {"text": "tokens", "image": "pixels a side"}.get(modality, "seconds")


def _interval(rate: Rate) -> str:
    return f"{_rate(rate.median)} [{_rate(rate.low)}, {_rate(rate.high)}]"


def _rate(value: float) -> str:
    """Three figures, and all of those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f}"


def _aligned(facts: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(facts)
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {text}" for name, text in rows]
