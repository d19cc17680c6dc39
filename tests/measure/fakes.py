"""A clock, and a device with a queue and events, that need no GPU and no waiting."""

from __future__ import annotations


class FakeClock:
    """Host seconds that move when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeDevice:
    """Does what it is given one after another, while the host goes on."""

    def __init__(self, launch_seconds=1e-6):
        self.clock = FakeClock()
        self.free = 0.0  # when all that it was given is done
        self.waits = 0
        self.launch_seconds = launch_seconds

    def launch(self, seconds):
        self.clock.now += self.launch_seconds
        self.free = max(self.free, self.clock.now) + seconds

    def synchronise(self):
        self.waits += 1
        self.clock.now = max(self.clock.now, self.free)

    def event(self):
        return FakeEvent(self)


class FakeEvent:
    """As `torch.cuda.Event`: milliseconds, and an error where it has not happened yet."""

    def __init__(self, device):
        self._device = device

    def record(self):
        self.at = max(self._device.free, self._device.clock.now)

    def elapsed_time(self, end):
        if max(self.at, end.at) > self._device.clock.now:
            raise RuntimeError("device not ready")
        return (end.at - self.at) * 1000
