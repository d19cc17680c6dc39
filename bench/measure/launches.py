"""What one call asks of the device: launches, kernels, copies and waits, counted exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

CALL = "bench.counted_call"
"""The annotation around the call: the profiler itself waits for the device, outside it."""

_LAUNCHES = (
    "cudaLaunchKernel",
    "cudaLaunchCooperativeKernel",
    "cudaGraphLaunch",
    "cuLaunchKernel",
    "cuLaunchCooperativeKernel",
    "cuGraphLaunch",
)
_WAITS = (
    "cudaDeviceSynchronize",
    "cudaStreamSynchronize",
    "cudaEventSynchronize",
    "cuCtxSynchronize",
    "cuStreamSynchronize",
    "cuEventSynchronize",
)
_COPIES = ("Memcpy", "Memset")
_MARKS = ("Context Sync", "Stream Sync", "Event Sync", "Stream Wait Event")
"""What a trace can show in the device's lanes that does not run there."""


class Span(Protocol):
    """Microseconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


class TraceEvent(Protocol):
    """What is used of `torch.autograd.profiler_util.FunctionEvent`."""

    @property
    def name(self) -> str: ...
    @property
    def device_type(self) -> Any: ...
    @property
    def time_range(self) -> Span: ...
    @property
    def is_user_annotation(self) -> bool: ...


Profile: TypeAlias = Callable[[Callable[[], object]], Sequence[TraceEvent]]
"""Calls a function within an annotation named `CALL` and returns the events of the trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """Counts of one call; None with the reason where they cannot be had.

    `launches` are the host's (a graph is one), `kernels` what ran on the device (a graph's
    are many), `copies` memory copies and fills there, `synchronisations` the host's explicit
    waits: a copy to pageable memory has one.
    """

    launches: int | None = None
    kernels: int | None = None
    copies: int | None = None
    synchronisations: int | None = None
    reason: str | None = None


def count_launches(
    work: Callable[[], object], device: str, *, warm_up: int = 1, profile: Profile | None = None
) -> Launches:
    """Count what one call of `work` asks of `device`, after `warm_up` calls that are not counted.

    Args:
        work: does the same at each call; what it queues on the device may outlast it.
        device: "cuda"; on "cpu" there is nothing to count, and the counts are None.
        warm_up: calls before, where things are compiled and allocated.
        profile: torch.profiler unless given.

    Raises:
        ValueError: if the trace does not have the call.
    """
    if not device.startswith("cuda"):
        return Launches(reason=f"{device} has no launches: it works where it is called")
    for _ in range(warm_up):
        work()
    return tally((profile or torch_profile)(work))


def tally(events: Iterable[TraceEvent]) -> Launches:
    """Count events of one trace: the host's within the annotation `CALL`, all of the device's.

    Raises:
        ValueError: if the trace has no such annotation, or several.
    """
    events = list(events)
    host = [event for event in events if _on_host(event)]
    annotations = {event.name for event in host if event.is_user_annotation} | {CALL}
    calls = [event for event in host if event.name == CALL]
    if len(calls) != 1:
        raise ValueError(f"the trace has {len(calls)} calls named {CALL}, not 1")
    span = calls[0].time_range
    names = [e.name for e in host if span.start <= e.time_range.start <= span.end]
    ran = [  # annotations are shown on the device, too, and are no kernels
        event.name
        for event in events
        if not (_on_host(event) or event.is_user_annotation or event.name in annotations)
        and not event.name.startswith(_MARKS)
    ]
    copies = sum(name.startswith(_COPIES) for name in ran)
    return Launches(
        launches=sum(name.startswith(_LAUNCHES) for name in names),
        kernels=len(ran) - copies,
        copies=copies,
        synchronisations=sum(name.startswith(_WAITS) for name in names),
    )


def torch_profile(work: Callable[[], object]) -> Sequence[TraceEvent]:
    """Profile one call on the host and, where there is one, the CUDA device."""
    import torch
    from torch.profiler import ProfilerActivity, profile, record_function

    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize()  # kernels of earlier calls are not of this one
    # kept from cycle to cycle: there is one, but torch 2.11 warns of those that it forgets
    profiling = profile(activities=activities, acc_events=True)
    with profiling as profiler, record_function(CALL):
        work()
    found: Sequence[TraceEvent] = profiler.events()
    return found


def _on_host(event: TraceEvent) -> bool:
    return str(event.device_type).endswith("CPU")
