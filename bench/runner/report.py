"""What `bench plan`, `list` and `assets` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import backbones, methods, tasks
from bench.assets import is_cached, verify
from bench.backbones.shapes import SHAPES
from bench.core.amounts import counted
from bench.core.asset import Asset
from bench.core.backbone import BackboneSpec
from bench.core.inert import clean
from bench.core.record import Record
from bench.measure import likely_device
from bench.runner.forecast import forecast
from bench.runner.plan import Plan
from bench.runner.progress import duration, outcome
from bench.runner.run import assets_of


def plan_lines(plan: Plan) -> str:
    """A plan for people: cells by row, what does not apply and why, the forecast."""
    rows = Counter(
        (c.task.key, c.backbone_label, c.method_label, c.control.value if c.control else "")
        for c in plan.cells
    )
    lines = grid(
        ("task", "backbone", "method", "control", "cells"), ((*k, n) for k, n in rows.items())
    )
    lines.append(counted(len(plan.cells), "cell"))
    if plan.skipped:
        lines += ["", "does not apply:"]
        lines += dict.fromkeys(  # the sizes of a curve say the same
            f"  {s.task} / {s.backbone} / {s.method}: {s.reason}" for s in plan.skipped
        )
    needed = assets_of(plan, plan.cells)
    missing = sum(asset.bytes_download for asset in needed if not is_cached(asset))
    cost = forecast(plan, plan.cells, likely_device(), missing)
    lines += [
        "",
        f"forecast on {likely_device()}, with nothing done and no features cached:",
        f"  {duration(cost.seconds)}",
        f"  {cost.bytes_memory / 1e9:.1f} GB of memory",
        f"  {cost.bytes_download / 1e6:.0f} MB to download",
    ]
    if cost.unsized:
        names = ", ".join(cost.unsized)
        lines.append(f"  without the items of {names}: how many there are is not known yet")
    return "\n".join(lines)


def record_lines(found: Sequence[tuple[Path, Record]], *, as_json: bool) -> str:
    """Every attempt at a cell: as its file has it, or for people."""
    if as_json:
        return "\n".join(path.read_text(encoding="ascii").rstrip() for path, _ in found)
    lines: list[str] = []
    for path, record in found:
        at = record.provenance
        facts: list[tuple[str, object]] = [
            ("file", path),
            ("cell", f"{record.task} / {record.backbone} / {record.method}, draw {record.draw},"
             f" seed {record.seed}" + (f", {record.control}" if record.control else "")),
            ("attempt", f"{record.attempt}: {outcome(record)}"),
            ("when, where", f"{at.date}, {at.device_name} ({at.device}, {at.precision},"
             f" {at.threads} threads), commit {(at.commit or 'unknown')[:12]}"
             + (" with changes" if at.dirty else "")),
            *((f"  {name}", f"{value:.4g}") for name, value in record.metrics.items()),
            ("settings", ", ".join(f"{k}={v}" for k, v in record.parameters.items()) or "-"),
            ("seconds", ", ".join(f"{k} {v:.3g}" for k, v in record.phases.items()) or "-"),
        ]  # fmt: skip
        if record.failure is not None and record.failure.tail:
            facts.append(("last words", record.failure.tail.replace("\n", "; ")))
        lines += [f"{name:<12}  {clean(str(value), 600)}" for name, value in facts] + [""]
    return "\n".join(lines).rstrip()


def listing(kind: str) -> str:
    """Tasks, backbones or methods with what there is to know before choosing."""
    if kind == "tasks":
        specs = [task.spec for task in tasks.registry().values()]
        head = ("task", "modality", "classes", "train", "test", "what")
        return "\n".join(
            grid(
                head,
                (
                    (s.name, s.modality.value, s.classes, s.train_size, s.test_size, s.summary)
                    for s in specs
                ),
            )
        )
    if kind == "backbones":
        models = [plugin.spec for plugin in backbones.registry().values()]
        shapes = [plugin.spec for plugin in SHAPES.values()]
        timed = ["", "For `bench throughput` alone (random weights, nothing to download):", ""]
        return "\n".join([*_backbones(models), *timed, *_backbones(shapes)])
    lines = []
    for method in methods.registry().values():
        spec = method.spec
        lines += [f"{spec.name} (version {spec.version}): {spec.summary}", f"  {spec.reference}"]
        for parameter in spec.parameters:
            lines.append(f"  {parameter.name} = {parameter.default!r}: {parameter.help}")
        lines.append(f"  search space: {len(spec.search_space)} points, the defaults first")
    return "\n".join(lines)


def _backbones(specs: Iterable[BackboneSpec]) -> list[str]:
    head = ("backbone", "modality", "width", "parameters", "what")
    return grid(
        head,
        (
            (s.name, s.modality.value, s.width or "", f"{s.parameters / 1e6:.1f} M", s.summary)
            for s in specs
        ),
    )


def asset_listing() -> str:
    """Every asset of a registered task or backbone."""
    return "\n".join(
        grid(
            ("asset", "MB", "here", "licence", "from"),
            (
                (
                    asset.name,
                    f"{asset.bytes_download / 1e6:.1f}",
                    "yes" if is_cached(asset) else "no",
                    asset.license,
                    next(iter((*asset.sources[0].uris, *asset.sources[0].parts)), ""),
                )
                for asset in known_assets()
            ),
        )
    )


def verify_lines() -> tuple[str, int]:
    """Check every cached asset; the text and the number of problems."""
    lines, problems = [], 0
    for asset in known_assets():
        if not is_cached(asset):
            continue
        found = verify(asset)
        problems += len(found)
        lines += found or [f"{asset.name}: as it should be"]
    return "\n".join(lines) or "no asset is cached", problems


def known_assets() -> list[Asset]:
    """The assets of everything registered, by name."""
    found: dict[str, Asset] = {}
    for task in tasks.registry().values():
        found.update((asset.name, asset) for asset in task.spec.assets)
    for plugin in backbones.registry().values():
        found.update((asset.name, asset) for asset in plugin.spec.assets)
    return [found[name] for name in sorted(found)]


def grid(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Aligned plain columns."""
    from tabulate import tabulate

    text: str = tabulate(list(rows), headers=head, tablefmt="plain", disable_numparse=True)
    return text.splitlines()
