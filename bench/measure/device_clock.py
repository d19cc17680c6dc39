"""Stopwatches with the same boundaries on every device, and a check that finds a missing wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bench.measure.clock import Clock, wall

Synchronise: TypeAlias = Callable[[], None]
"""Returns when the device has done all that it was given."""

_TOLERANCE = 0.1


class Stopwatch(Protocol):
    """Times regions, one after another."""

    def start(self) -> None:
        """Begin a region."""

    def stop(self) -> None:
        """End it."""

    def read(self) -> list[float]:
        """Seconds of each region since the last `read`, in order."""


class Event(Protocol):
    """A mark in the device's queue (the part of `torch.cuda.Event` that is used)."""

    def record(self) -> None: ...

    def elapsed_time(self, end_event: Any, /) -> float:
        """Milliseconds from this event to `end_event`; both must have happened."""


class WallClock:
    """Host seconds. Right where the work is done when the call returns: CPU, or end to end.

    Args:
        clock: injected in tests.
        synchronise: waits at both boundaries, for work that only queues on a device.
    """

    def __init__(self, clock: Clock = wall, synchronise: Synchronise | None = None) -> None:
        self._clock, self._synchronise = clock, synchronise
        self._start = 0.0
        self._seconds: list[float] = []

    def start(self) -> None:
        if self._synchronise:
            self._synchronise()
        self._start = self._clock()

    def stop(self) -> None:
        if self._synchronise:
            self._synchronise()
        self._seconds.append(self._clock() - self._start)

    def read(self) -> list[float]:
        seconds, self._seconds = self._seconds, []
        return seconds


class EventClock:
    """Device seconds between two events around a region; waits once, in `read`.

    It sees the stream in which events are recorded, that is the current one: work on
    another stream must be joined before `stop`. Gaps in which the device waits for the
    host are inside.

    Args:
        event: makes a new event.
        synchronise: waits for the device.
    """

    def __init__(self, event: Callable[[], Event], synchronise: Synchronise) -> None:
        self._event, self._synchronise = event, synchronise
        self._open: Event | None = None
        self._regions: list[tuple[Event, Event]] = []

    def start(self) -> None:
        self._open = self._event()
        self._open.record()

    def stop(self) -> None:
        if self._open is None:
            raise RuntimeError("stop without start")
        end = self._event()
        end.record()
        self._regions.append((self._open, end))
        self._open = None

    def read(self) -> list[float]:
        self._synchronise()
        regions, self._regions = self._regions, []
        return [start.elapsed_time(end) / 1000 for start, end in regions]


def device_stopwatch(device: str) -> Stopwatch:
    """CUDA events on "cuda", the wall clock on "cpu"."""
    if not device.startswith("cuda"):
        return WallClock()
    import torch

    cuda: Any = torch.cuda  # its events have no types
    return EventClock(lambda: cuda.Event(enable_timing=True), synchroniser(device))


def synchroniser(device: str) -> Synchronise:
    """What waits for `device`: `torch.cuda.synchronize`, or nothing on a CPU."""
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """Whether a host clock and the device agree on one region, and what is wrong if not."""

    host_seconds: float
    device_seconds: float
    agree: bool
    message: str


def check_clock(region: Callable[[], object], host: Stopwatch, device: Stopwatch) -> ClockCheck:
    """Time one region with both stopwatches at once.

    The region should take the device 10 ms or more, and be warm. A host stopwatch that does
    not wait at its boundaries is found by this.
    """
    device.read()  # waits for what was queued before
    device.start()
    host.start()
    region()
    host.stop()
    device.stop()
    (device_seconds,), (host_seconds,) = device.read(), host.read()
    return compare_clocks(host_seconds, device_seconds)


def compare_clocks(host_seconds: float, device_seconds: float) -> ClockCheck:
    """Judge the two times of one region: they agree within 10 %.

    Raises:
        ValueError: if a time is not above 0.
    """
    if not min(host_seconds, device_seconds) > 0:
        raise ValueError(f"times must be above 0: host {host_seconds}, device {device_seconds}")
    less, more = device_seconds / host_seconds, host_seconds / device_seconds
    agree = max(less, more) <= 1 + _TOLERANCE
    if agree:
        message = "the host clock agrees with the device"
    elif less > 1:
        message = (
            f"the host clock says {less:.2g}x less than the device: a synchronisation is missing"
        )
    else:
        message = (
            f"the host clock says {more:.2g}x more than the device: its events do not see all of "
            "the work (is it on another stream?)"
        )
    return ClockCheck(
        host_seconds=host_seconds, device_seconds=device_seconds, agree=agree, message=message
    )
