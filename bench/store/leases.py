"""Who works on which cell of a folder, so that several launchers share one suite.

    <folder>/leases.json    run ids, each with its owner and until when it counts
    <folder>/leases.lock    held while leases.json is read and replaced

A lease ends when it is given back, when its time is over, or, on the machine that wrote it, when
the process that took it is gone. Losing the file loses nothing but a guard against working
twice: what a cell came to is committed once whatever the leases say.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from bench.core.errors import StoreError
from bench.store.files import created, unwritable

SECONDS_VALID = 60.0
"""Without being renewed; owners renew after a quarter of it."""
SECONDS_APART = 60.0
"""By which clocks of two machines may differ. A lease that ends later than one taken now by the
fastest of them was never taken: its clock was wrong, or the file was changed."""

Now = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Owner:
    """A launcher: its process, and when that started, since process ids come again."""

    token: str
    machine: str  # of this boot and pid namespace: an id that says nothing about who or where
    pid: int
    started: float

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        process = psutil.Process()
        return cls(uuid.uuid4().hex, _machine(), process.pid, process.create_time())

    def gone(self) -> bool:
        """Whether its process is known to have ended; of another machine nothing is known."""
        if self.machine != _machine():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) > 1.0
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


@dataclass(frozen=True, slots=True)
class Holder:
    """Another launcher that has cells in hand, and until when unless it renews its leases."""

    machine: str
    pid: int
    here: bool  # on this machine, where `pid` can be looked up
    until: float

    def __str__(self) -> str:
        at = "this machine" if self.here else f"machine {self.machine[:8]}"
        when = time.strftime("%X", time.localtime(self.until))
        return f"process {self.pid} on {at}, until {when}"


class Leases:
    """The leases of one launcher in one folder.

    Args:
        folder: of the run.
        now: seconds since the epoch; several machines are taken to agree within a minute.
    """

    def __init__(self, folder: Path, now: Now = time.time) -> None:
        self._path = folder / "leases.json"
        self._lock = FileLock(folder / "leases.lock", mode=0o666)  # whoever may enter the folder
        self._now, self._owner = now, Owner.here()
        self._held: set[str] = set()
        self._due = 0.0

    def claim(self, run_ids: Iterable[str]) -> str | None:
        """Take the first of these cells that no other launcher has; None where they have all.

        Raises:
            StoreError: if the leases cannot be written.
        """
        with self._exclusive() as leases:
            for run_id in run_ids:
                if run_id not in leases:
                    self._held.add(run_id)
                    self._write(leases)
                    return run_id
        return None

    def holders(self, run_ids: Iterable[str]) -> list[Holder]:
        """Who else has these cells, each once.

        Raises:
            StoreError: if the leases cannot be read.
        """
        with self._exclusive() as leases:
            theirs = [leases[run_id] for run_id in run_ids if run_id in leases]
        here = self._owner.machine
        found = (
            Holder(str(of["machine"]), of["pid"], of["machine"] == here, float(of["until"]))
            for of in theirs
        )
        return list(dict.fromkeys(found))

    def release(self, run_ids: Iterable[str]) -> None:
        """Give cells back, done or not; those of others stay."""
        self._held -= set(run_ids)
        with self._exclusive() as leases:
            self._write(leases)

    def renew(self) -> None:
        """Say that this launcher is alive, where that is due."""
        if self._held and self._now() >= self._due:
            with self._exclusive() as leases:
                self._write(leases)

    def close(self) -> None:
        """Give everything back; where that cannot be written, the leases end by themselves."""
        if self._held:
            with contextlib.suppress(StoreError):
                self.release(set(self._held))

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The leases of others that count, while nobody else changes them."""
        try:
            with self._lock:
                yield self._others()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _others(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._path.read_bytes())
            return {
                run_id: lease
                for run_id, lease in found.items()
                if lease["token"] != self._owner.token and self._valid(lease)
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # damaged: at worst a cell is computed twice and committed once

    def _valid(self, lease: dict[str, Any]) -> bool:
        try:
            owner = Owner(lease["token"], lease["machine"], lease["pid"], lease["started"])
            left = float(lease["until"]) - self._now()
            return 0 < left <= SECONDS_VALID + SECONDS_APART and not owner.gone()
        except (KeyError, TypeError, ValueError, OverflowError):
            return False

    def _write(self, others: dict[str, dict[str, Any]]) -> None:
        now = self._now()
        mine = {
            "token": self._owner.token,
            "machine": self._owner.machine,
            "pid": self._owner.pid,
            "started": self._owner.started,
            "until": now + SECONDS_VALID,
        }
        self._held -= others.keys()  # lost, while this launcher was asleep
        leases = {**dict.fromkeys(self._held, mine), **others}
        if not leases:  # takes no room, which a full disk has not
            self._path.unlink(missing_ok=True)
            return
        handle, temporary = created(self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(leases, file)
            Path(temporary).replace(self._path)  # not synced: see above
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._due = now + SECONDS_VALID / 4


def _machine() -> str:
    """A name for where process ids mean the same: this machine until it is started again, and of
    it this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{uuid.getnode():x}-{psutil.boot_time():.0f}"
