"""Counting a trace: planted events, and the real profiler on the host."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch.profiler import record_function

from bench.measure import count_launches
from bench.measure.launches import CALL, tally, torch_profile

HOST, DEVICE = "DeviceType.CPU", "DeviceType.CUDA"


@dataclass
class Event:
    name: str
    start: float = 15.0
    device_type: str = HOST
    is_user_annotation: bool = False

    @property
    def time_range(self):
        return SimpleNamespace(start=self.start, end=self.start + 10)


def call(start=10.0):
    return Event(CALL, start, is_user_annotation=True)


def test_each_kind_is_counted_once_and_within_the_call():
    found = tally(
        [
            Event("cudaLaunchKernel", 1.0),  # before the call
            call(),
            Event("aten::mm"),
            Event("cudaLaunchKernel"),
            Event("cuLaunchKernelEx"),
            Event("cudaGraphLaunch"),
            Event("cudaLaunchHostFunc"),  # no kernel
            Event("cudaMemcpyAsync"),
            Event("cudaStreamSynchronize"),
            Event("cudaDeviceSynchronize", 99.0),  # the profiler's own
            Event(CALL, 30.0, DEVICE, is_user_annotation=True),
            Event("Stream Sync", 30.0, DEVICE),
            Event("gemm", 30.0, DEVICE),
            Event("gelu", 31.0, DEVICE),
            Event("three of the graph", 32.0, DEVICE),
            Event("three of the graph", 33.0, DEVICE),
            Event("three of the graph", 34.0, DEVICE),
            Event("Memcpy DtoH (Device -> Pageable)", 50.0, DEVICE),
            Event("Memset (Device)", 51.0, DEVICE),
        ]
    )
    assert (found.launches, found.kernels, found.copies) == (3, 5, 2)
    assert (found.synchronisations, found.reason) == (1, None)


def test_annotations_on_the_device_are_no_kernels():
    layer = Event("layer", is_user_annotation=True)
    assert tally([call(), layer, Event("layer", 30.0, DEVICE)]).kernels == 0


@pytest.mark.parametrize("calls", [0, 2])
def test_a_trace_without_the_one_call_is_an_error(calls):
    with pytest.raises(ValueError, match=f"has {calls} calls"):
        tally([call() for _ in range(calls)])


def test_warm_up_calls_are_not_counted():
    done = []

    def profile(work):
        work()
        return [call(), Event("cudaLaunchKernel")]

    found = count_launches(lambda: done.append(1), "cuda", warm_up=2, profile=profile)
    assert found.launches == 1
    assert len(done) == 3


def test_a_cpu_has_none_and_says_why():
    found = count_launches(lambda: pytest.fail("was called"), "cpu")
    assert (found.launches, found.kernels, found.synchronisations) == (None, None, None)
    assert "cpu has no launches" in found.reason


def test_the_real_profiler_gives_such_events():
    """Host annotations with the runtime's names, inside the call."""

    def work():
        for name in ("cudaLaunchKernel", "cudaLaunchKernel", "cudaStreamSynchronize"):
            with record_function(name):
                torch.ones(3).sum()

    found = tally(torch_profile(work))
    assert (found.launches, found.synchronisations) == (2, 1)
    assert (found.kernels, found.copies) == (0, 0)
