"""What only a CUDA device can show."""

from __future__ import annotations

import pytest
import torch

from bench.core.suite import Precision
from bench.measure import (
    EnergyWindow,
    WallClock,
    check_clock,
    count_launches,
    device_stopwatch,
    measure_ceiling,
    peak,
    reset_peak,
    synchroniser,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def large_products(times):
    """At least 10 ms of device work on any card, in few kernels."""
    x = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    out = torch.empty_like(x)

    def region():
        for _ in range(times):
            torch.mm(x, x, out=out)

    region()
    torch.cuda.synchronize()
    return region


def test_event_times_agree_with_the_profiler():
    region = large_products(times=100)
    watch = device_stopwatch("cuda")
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        watch.start()
        region()
        watch.stop()
        (seconds,) = watch.read()
    kernels = [e for e in profiler.events() if str(e.device_type).endswith("CUDA")]
    first = min(e.time_range.start for e in kernels)
    last = max(e.time_range.end for e in kernels)
    assert seconds == pytest.approx((last - first) / 1e6, rel=0.02)


def test_a_missing_synchronisation_is_found():
    region = large_products(times=100)
    events = device_stopwatch("cuda")
    planted = check_clock(region, WallClock(), events)
    assert not planted.agree
    assert "a synchronisation is missing" in planted.message
    assert check_clock(region, WallClock(synchronise=synchroniser("cuda")), events).agree


def test_launches_and_waits_of_known_work():
    x = torch.randn(1024, device="cuda")
    found = count_launches(lambda: x.relu().exp().sin(), "cuda")
    assert (found.launches, found.kernels) == (3, 3)
    assert (found.copies, found.synchronisations) == (0, 0)
    found = count_launches(lambda: x.relu().cpu(), "cuda")
    assert (found.launches, found.copies, found.synchronisations) == (1, 1, 1)
    assert found == count_launches(lambda: x.relu().cpu(), "cuda")


def test_peaks_are_of_the_case():
    large = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    del large
    reset_peak("cuda")
    before = peak("cuda")
    kept = torch.empty(2**26, dtype=torch.uint8, device="cuda")
    after = peak("cuda")
    assert after.bytes_allocated - before.bytes_allocated == kept.nbytes
    assert 2**26 <= after.bytes_reserved - before.bytes_reserved < 2**28


def test_the_ceiling_is_in_range():
    """From any card with bf16 to several times an H100."""
    found = measure_ceiling("cuda", Precision.BF16, tokens=32768, width=768)
    assert 1e13 < found.flops_per_second < 1e16
    assert 1e11 < found.bytes_per_second < 5e13


@pytest.mark.slow
def test_energy_of_six_seconds():
    pytest.importorskip("pynvml")
    region = large_products(times=1000)
    window = EnergyWindow("cuda")
    window.start()
    watch = WallClock(synchronise=synchroniser("cuda"))
    spent = 0.0
    while spent < 6:
        watch.start()
        region()
        watch.stop()
        spent += watch.read()[0]
    found = window.stop()
    assert found.reason is None
    assert 50 < found.watts < 2000
