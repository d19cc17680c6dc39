"""Energy windows on a fake NVML."""

from __future__ import annotations

import sys

import pytest
import torch

from bench.measure import EnergyWindow
from tests.measure.fakes import FakeClock, FakeNvml


def window(clock, nvml, device="cuda", **more):
    known = {"uuid": "GPU-1", "clock": clock, "synchronise": lambda: None}
    return EnergyWindow(device, nvml=nvml, **(known | more))


def run(found, clock, seconds):
    found.start()
    clock.now += seconds
    return found.stop()


def test_joules_of_a_window():
    clock = FakeClock()
    nvml = FakeNvml(clock)
    found = run(window(clock, nvml), clock, 10.0)
    assert (found.joules, found.seconds, found.reason) == (pytest.approx(7000), 10.0, None)
    assert found.watts == pytest.approx(700)
    assert (nvml.open, nvml.uuids) == (0, ["GPU-1"])


def test_a_window_may_be_used_again():
    clock = FakeClock()
    found = window(clock, FakeNvml(clock))
    assert [run(found, clock, s).joules for s in (5.0, 6.0)] == pytest.approx([3500, 4200])


def test_as_a_context_it_is_closed_by_a_failure_too():
    clock = FakeClock()
    nvml = FakeNvml(clock)
    with window(clock, nvml) as found:
        clock.now += 10.0
    assert found.energy.joules == pytest.approx(7000)
    with pytest.raises(ValueError, match="diverged"), window(clock, nvml):
        raise ValueError("diverged")
    assert nvml.open == 0


def test_a_short_window_is_not_reported():
    clock = FakeClock()
    found = run(window(clock, FakeNvml(clock)), clock, 4.99)
    assert (found.joules, found.watts) == (None, None)
    assert found.reason == "a window of 4.99 s is below 5 s"


def test_the_device_is_waited_for_at_both_ends():
    clock = FakeClock()
    waited = []

    def wait():
        waited.append(clock.now)
        clock.now += 1.0

    found = run(window(clock, FakeNvml(clock), synchronise=wait), clock, 9.0)
    assert waited == [0.0, 10.0]
    assert found.seconds == 10.0
    assert found.joules == pytest.approx(7000)


@pytest.mark.parametrize(("fails", "after"), [("init", 0), ("handle", 0), ("read", 0), ("read", 1)])
def test_what_nvml_does_not_tell_has_its_reason_and_is_closed(fails, after):
    clock = FakeClock()
    nvml = FakeNvml(clock, fails=fails, after=after)
    found = run(window(clock, nvml), clock, 10.0)
    assert (found.joules, found.reason) == (None, "NVML: Not Supported")
    assert nvml.open == 0


def test_a_counter_that_went_back_is_not_reported():
    clock = FakeClock()
    found = run(window(clock, FakeNvml(clock, watts=-1.0)), clock, 10.0)
    assert (found.joules, found.reason) == (
        None,
        "the counter went back: the driver was loaded anew",
    )


def test_no_gpu_and_no_package_have_their_reasons(monkeypatch):
    clock = FakeClock()
    found = run(EnergyWindow("cpu", clock=clock), clock, 10.0)
    assert (found.joules, found.reason) == (None, "no energy counter is read on cpu")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = run(window(clock, None), clock, 10.0)
    assert (found.joules, found.seconds) == (None, 10.0)
    assert found.reason == "NVML cannot be read: pip install nvidia-ml-py"


@pytest.mark.parametrize("told", ["GPU-8a", "8a"])
def test_the_device_is_found_by_its_uuid(monkeypatch, told):
    class Properties:
        uuid = told

    clock = FakeClock()
    nvml = FakeNvml(clock)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert run(EnergyWindow("cuda", clock=clock), clock, 10.0).joules == pytest.approx(7000)
    assert nvml.uuids == ["GPU-8a"]
