"""From a suite file to committed records: the one path that every run takes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import backbones, tasks
from bench.assets import Lock, cache_folder, is_cached, pin, resolve
from bench.core.amounts import counted
from bench.core.asset import Asset
from bench.core.cell import Cell, label_of
from bench.core.errors import (
    AssetError,
    DigestMismatchError,
    DiskFullError,
    StoreError,
    UserError,
)
from bench.core.record import Record, Status
from bench.core.suite import Precision, Resolved, Suite
from bench.measure import Clock, likely_device, wall
from bench.runner.disk import ran_out, require_room
from bench.runner.engine import MakeEngine, Placement
from bench.runner.forecast import Forecast, forecast
from bench.runner.local import LocalEngine
from bench.runner.plan import Plan, Skipped, make_plan, validated
from bench.runner.precision import decide_apart, name_of
from bench.runner.progress import Display, Quiet, duration
from bench.runner.schedule import Policy, Schedule, Standing, Stop, interruptible, standing
from bench.store import Leases, Store
from bench.store.index import write_index
from bench.store.inspect import sweep
from bench.suite_file import read


@dataclass(frozen=True, slots=True)
class Options:
    """How to run, as the command line has it."""

    runs: Path = Path("runs")
    device: str = "auto"
    locked: bool = False
    retry_failed: bool = False
    workers: int | None = None  # one for each GPU, and one on a CPU


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: one record per cell, and what was forecast beside what it took."""

    folder: Path
    plan: Plan
    records: tuple[Record, ...]
    ran: int
    forecast: Forecast
    seconds: float

    @property
    def bytes_peak(self) -> int:
        """Largest resident set of a worker in any cell, as far as it was told."""
        return max((record.bytes_peak or 0 for record in self.records), default=0)

    @property
    def failed(self) -> tuple[Record, ...]:
        return tuple(r for r in self.records if r.status is not Status.OK)


def plan_suite(path: Path, *, locked: bool = False, display: Display | None = None) -> Plan:
    """Read, check and lay out a suite; nothing is written.

    Raises:
        SuiteError: with all its mistakes.
        AssetError: if what it names cannot be pinned.
    """
    return _planned(path, locked, display or Quiet(), likely_device(), decides=False)[0]


def run_suite(
    path: Path,
    options: Options | None = None,
    display: Display | None = None,
    engine: MakeEngine = LocalEngine,
    clock: Clock = wall,
) -> Outcome:
    """Run what is not done yet of a suite, and return one record per cell.

    Raises:
        UserError: on any mistake in the suite, its data or its assets, before a cell runs.
    """
    options, display = options or Options(), display or Quiet()
    start, ran = clock(), 0
    with display:
        device = likely_device() if options.device == "auto" else options.device
        plan, lock = _planned(path, options.locked, display, device, decides=True)
        store = Store(options.runs / plan.suite.name)
        _require_writable(store.folder)
        stands = standing(plan.cells, store, device, _policy(plan, options))
        todo = stands.todo
        expected = forecast(plan, todo, device, _download(plan, todo))
        if todo:
            display.say(_summary(plan, todo, expected))
            room = {store.folder: expected.bytes_records}
            cache = cache_folder()
            require_room({**room, cache: room.get(cache, 0) + expected.bytes_cache})
            fetch(plan, todo, display)
            _check_own_data(plan, todo)
        lock.save()
        store.write_suite(_described(plan, device))  # now, so that an interrupted run has a table
        _tell(plan, stands, expected, display)
        if todo:
            ran, device = _execute(plan, todo, device, store, options, display, engine, expected)
            store.write_suite(_described(plan, device))
        if ran:
            sweep(store.folder)
            write_index(store)
    records = tuple(store.final())
    return Outcome(store.folder, plan, records, ran, expected, clock() - start)


def fetch(plan: Plan, cells: Iterable[Cell], display: Display) -> None:
    """Bring the assets that `cells` need into the cache.

    Raises:
        AssetError: naming the first that cannot be had.
    """
    for asset in assets_of(plan, cells):
        if not is_cached(asset):
            display.say(f"fetching {asset.name} ({asset.bytes_download / 1e6:.0f} MB)")
        resolve(asset, display.say)


def assets_of(plan: Plan, cells: Iterable[Cell]) -> list[Asset]:
    """The assets that `cells` need, each once."""
    found: dict[str, Asset] = {}
    for cell in cells:
        for asset in plan.tasks[cell.task.key].spec.assets:
            found.setdefault(asset.name, asset)
        if cell.backbone is not None:
            for asset in plan.plugins[label_of(cell.backbone)].spec.assets:
                found.setdefault(asset.name, asset)
    return list(found.values())


def _planned(
    path: Path, locked: bool, display: Display, device: str, *, decides: bool
) -> tuple[Plan, Lock]:
    suite = validated(read(path))
    lock = Lock.beside(path)
    suite, skipped = _at_hand(suite, lock, locked, display, fetched=decides)
    pins = _pins(suite, lock, locked, display)
    precisions: dict[str, Resolved] = {}
    if suite.precision is Precision.AUTO:
        precisions = _precisions(suite, path, pins, lock, locked, display, device, decides=decides)
    plan = make_plan(suite, pins, precisions)
    return dataclasses.replace(plan, skipped=(*skipped, *plan.skipped)), lock


def _at_hand(
    suite: Suite, lock: Lock, locked: bool, display: Display, *, fetched: bool
) -> tuple[Suite, list[Skipped]]:
    """The suite without the optional tasks whose data cannot be had, and why; with `fetched` the
    data of the others are in the cache.

    Raises:
        AssetError: with `locked`, or if bytes are there that are not those that were pinned.
        UserError: if no task is left.
    """
    kept, skipped = [], []
    for entry in suite.tasks:
        try:
            if entry.optional:
                for asset in tasks.build(entry, Path(suite.folder), lock.pins).spec.assets:
                    pinned = pin(asset, Path(suite.folder), lock, locked=locked, report=display.say)
                    if fetched:
                        resolve(pinned, display.say)
            kept.append(entry)
        except AssetError as error:
            if locked or isinstance(error, DigestMismatchError):  # other bytes are no absence
                raise
            reason = f"its data cannot be had: {error}"
            display.say(f"skipping {entry.name}: {reason}")
            skipped.append(Skipped(entry.key, "every backbone", "every method", reason))
    if not kept:
        raise UserError(f"no task is left: {skipped[0].reason}")
    return dataclasses.replace(suite, tasks=tuple(kept)), skipped


def _precisions(
    suite: Suite,
    path: Path,
    pins: Mapping[str, str],
    lock: Lock,
    locked: bool,
    display: Display,
    device: str,
    *,
    decides: bool,
) -> dict[str, Resolved]:
    """What `auto` came to, by label: from the lock file, or decided now."""
    names: dict[str, str] = {}
    for entry in suite.backbones:
        spec, label = backbones.build(entry, Path(suite.folder), pins).spec, label_of(entry)
        names[label] = name_of(label, device, spec, compiled=suite.compile)
    known = {label: lock.precision(name) for label, name in names.items()}
    open_ = [label for label, found in known.items() if found is None]
    if open_ and locked:
        raise UserError(f"{lock.path.name} has no precision for {open_[0]} on {device}")
    if open_ and not decides:
        display.say(f"precision of {', '.join(open_)}: auto, decided by the first run; fp32 here")
    elif open_:
        display.say(f"deciding the precision of {', '.join(open_)} on {device}")
        lock.save()  # the process that decides reads what is pinned
        for label, found in decide_apart(path, device, open_).items():
            lock.set_precision(names[label], found)
            display.say(f"{label}: {found.precision.value}, drift {found.drift:.1e}")
            known[label] = found
    return {label: found for label, found in known.items() if found is not None}


def _pins(suite: Suite, lock: Lock, locked: bool, display: Display) -> dict[str, str]:
    """Digests, by URI, of everything the suite names and does not pin."""
    folder = Path(suite.folder)
    own: list[Asset] = []
    for entry in suite.tasks:
        if entry.data is not None:
            own += tasks.build(entry, folder, {}).spec.assets
    for backbone in suite.backbones:
        if backbone.name.startswith(backbones.OUTSIDE):
            own += backbones.build(backbone, folder, {}).spec.assets
    for asset in own:
        pin(asset, folder, lock, locked=locked, report=display.say)
    return dict(lock.pins)


def _require_writable(folder: Path) -> None:
    """Refuse a folder that cannot take records, before anything is computed.

    Raises:
        StoreError: naming it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"{folder}: cannot be written to")


def _policy(plan: Plan, options: Options) -> Policy:
    return Policy(plan.suite.retries, options.retry_failed)


def _execute(
    plan: Plan,
    todo: list[Cell],
    likely: str,
    store: Store,
    options: Options,
    display: Display,
    engine: MakeEngine,
    expected: Forecast,
) -> tuple[int, str]:
    """Run the cells; returns how many were run here, and the kind of device they ran on.

    Raises:
        KeyboardInterrupt: if the run was stopped; what was finished is kept.
    """
    placement = Placement(options.device, options.workers, plan.suite.deterministic)
    running = engine(store, cache_folder(), placement)
    policy, stop = _policy(plan, options), Stop()
    try:
        with interruptible(stop, display.say):
            running.start()
            device = running.device
            if device != likely:  # a GPU that torch cannot use, say
                display.say(f"running on {device}, not on {likely}: see `bench doctor`")
                stands = standing(plan.cells, store, device, policy)
                todo = stands.todo
                _tell(plan, stands, expected, display)
            schedule = Schedule(todo, store, device, Leases(store.folder), display, policy)
            try:
                schedule.run(running, stop)
            except DiskFullError as error:
                rest = forecast(plan, schedule.rest, device, 0, expected.specs)
                needed = rest.bytes_records + rest.bytes_cache
                raise DiskFullError(f"{error}\n{ran_out(store.folder, needed)}") from error
    finally:
        running.close()
    if stop.asked:
        raise KeyboardInterrupt
    return schedule.ran, device


def _tell(plan: Plan, stands: Standing, expected: Forecast, display: Display) -> None:
    """Say how much there is to do."""
    done = len(plan.cells) - len(stands.todo)
    display.planned(len(plan.cells), done, stands.failed, expected)


def _check_own_data(plan: Plan, todo: list[Cell]) -> None:
    """Load the user's own data, and pairs of tasks, once here: a mistake in them stops the run with
    one sentence.

    Raises:
        DataError: naming the file, the column and the mend.
    """
    for key in dict.fromkeys(c.task.key for c in todo if c.task.data or c.task.test_on):
        plan.tasks[key].load()


def _download(plan: Plan, todo: list[Cell]) -> int:
    return sum(a.bytes_download for a in assets_of(plan, todo) if not is_cached(a))


def _summary(plan: Plan, todo: list[Cell], expected: Forecast) -> str:
    cells, done = counted(len(plan.cells), "cell"), len(plan.cells) - len(todo)
    return (
        f"{plan.suite.name}: {cells}, {done} done, {len(todo)} to run; "
        f"forecast {duration(expected.seconds)}, {expected.bytes_memory / 1e9:.1f} GB of memory, "
        f"{expected.bytes_download / 1e6:.0f} MB to download"
    )


def _described(plan: Plan, device: str) -> dict[str, object]:
    """What the run's folder says of the suite."""
    suite = plan.suite
    return {
        "name": suite.name,
        "version": suite.version,
        "description": suite.description,
        "device": device,
        "draws": suite.draws,
        "seeds": suite.seeds,
        "budget": dataclasses.asdict(suite.budget),
        "cells": [cell.run_id for cell in plan.cells],
        "labels": [[cell.backbone_label, cell.method_label] for cell in plan.cells],
        "skipped": [dataclasses.asdict(row) for row in plan.skipped],
    }
