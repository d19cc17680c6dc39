"""Stopwatches on a fake device: the same boundaries, one wait, and a missing one is found."""

from __future__ import annotations

import pytest
import torch

from bench.measure import (
    EventClock,
    WallClock,
    check_clock,
    compare_clocks,
    device_stopwatch,
    synchroniser,
)
from tests.measure.fakes import FakeClock, FakeDevice


def test_events_time_the_device_and_wait_once():
    device = FakeDevice()
    watch = EventClock(device.event, device.synchronise)
    for seconds in (0.010, 0.020, 0.030):
        watch.start()
        device.launch(seconds)
        watch.stop()
    assert device.waits == 0
    assert watch.read() == pytest.approx([0.010, 0.020, 0.030], rel=1e-3)
    assert device.waits == 1
    assert watch.read() == []


def test_events_that_are_read_too_early_are_an_error():
    """The fake is as strict as CUDA is: a watch that does not wait cannot pass these tests."""
    device = FakeDevice()
    watch = EventClock(device.event, lambda: None)
    watch.start()
    device.launch(0.010)
    watch.stop()
    with pytest.raises(RuntimeError, match="not ready"):
        watch.read()


def test_gaps_in_which_the_device_waits_for_the_host_count():
    device = FakeDevice(launch_seconds=0.002)
    watch = EventClock(device.event, device.synchronise)
    watch.start()
    for _ in range(10):
        device.launch(0.001)
    watch.stop()
    assert watch.read() == pytest.approx([10 * 0.002 + 0.001])


def test_the_wall_clock_has_the_same_boundaries():
    clock = FakeClock()
    watch = WallClock(clock)
    for seconds in (1.0, 2.0):
        watch.start()
        clock.now += seconds
        watch.stop()
        clock.now += 100.0  # between regions
    assert watch.read() == [1.0, 2.0]
    assert watch.read() == []


def test_a_missing_synchronisation_is_found():
    device = FakeDevice(launch_seconds=1 / 30_000)
    events = EventClock(device.event, device.synchronise)

    def region():
        for _ in range(300):
            device.launch(0.001)

    planted = check_clock(region, WallClock(device.clock), events)
    assert not planted.agree
    assert planted.message == (
        "the host clock says 30x less than the device: a synchronisation is missing"
    )
    assert planted.device_seconds == pytest.approx(0.3, rel=0.01)
    right = check_clock(region, WallClock(device.clock, device.synchronise), events)
    assert right.agree
    assert right.host_seconds == pytest.approx(right.device_seconds)


def test_work_that_was_queued_before_is_not_in_the_region():
    device = FakeDevice()
    device.launch(5.0)
    found = check_clock(
        lambda: device.launch(0.1),
        WallClock(device.clock, device.synchronise),
        EventClock(device.event, device.synchronise),
    )
    assert found.device_seconds == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(
    ("host", "device", "says"),
    [
        (1.0, 1.0, "agrees"),
        (1.0, 1.09, "agrees"),
        (1.09, 1.0, "agrees"),
        (1.0, 12.0, "12x less than the device: a synchronisation is missing"),
        (1.5, 1.0, "1.5x more than the device: its events do not see all of the work"),
    ],
)
def test_what_two_times_of_one_region_say(host, device, says):
    found = compare_clocks(host, device)
    assert says in found.message
    assert found.agree == ("agrees" in says)


def test_a_time_of_nothing_cannot_be_judged():
    with pytest.raises(ValueError, match="above 0"):
        compare_clocks(0.0, 1.0)


def test_stop_needs_a_start():
    device = FakeDevice()
    with pytest.raises(RuntimeError, match="stop without start"):
        EventClock(device.event, device.synchronise).stop()


def test_the_device_decides_which_stopwatch(monkeypatch):
    assert isinstance(device_stopwatch("cpu"), WallClock)
    synchroniser("cpu")()
    device = FakeDevice()
    kinds, waited = [], []

    def event(enable_timing):
        kinds.append(enable_timing)
        return device.event()

    def synchronise(which):
        waited.append(which)
        device.synchronise()

    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronise)
    watch = device_stopwatch("cuda")
    watch.start()
    device.launch(0.25)
    watch.stop()
    assert watch.read() == pytest.approx([0.25], rel=1e-3)
    assert (kinds, waited) == ([True, True], ["cuda"])
