"""A clock, a device with a queue and events, and its counter of energy: no GPU, no waiting."""

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


class NVMLError(Exception):
    pass


class FakeNvml:
    """The part of `pynvml` that is used; a counter of `watts` over the clock."""

    NVMLError = NVMLError

    def __init__(self, clock, watts=700.0, fails=None, after=0):
        self.clock, self.watts, self.fails, self.after = clock, watts, fails, after
        self.open, self.reads, self.uuids = 0, 0, []

    def _fail(self, name):
        if self.fails == name:
            raise NVMLError("Not Supported")

    def nvmlInit(self):  # noqa: N802 -- NVML's names
        self._fail("init")
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        self._fail("handle")
        self.uuids.append(uuid)
        return "handle"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        assert handle == "handle"
        assert self.open == 1
        self.reads += 1
        if self.reads > self.after:
            self._fail("read")
        return int(1e9 + self.watts * 1000 * self.clock.now)
