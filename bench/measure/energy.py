"""Energy of a GPU from NVML's own counter, over windows that are long enough."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bench.measure.clock import Clock, wall
from bench.measure.device_clock import Synchronise, synchroniser

LEAST_SECONDS = 5.0
"""The counter moves in steps of 20 to 100 ms, and power lags behind work: over 5 s that is 2 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of the whole board in a window; None with the reason why not."""

    joules: float | None
    seconds: float
    reason: str | None = None

    @property
    def watts(self) -> float | None:
        """Mean power."""
        return None if self.joules is None else self.joules / self.seconds


class EnergyWindow:
    """Reads `nvmlDeviceGetTotalEnergyConsumption` (millijoules; Volta and newer) at both ends.

    It counts the board, whoever uses it. Where there is no NVIDIA device, no
    `nvidia-ml-py`, no counter, or the window is below 5 s, the energy is None with the reason.
    As a context manager it leaves what it found in `energy`.

    Args:
        device: "cpu" or "cuda".
        uuid: of the device as NVML has it; that of torch's `device` unless given, since
            CUDA_VISIBLE_DEVICES numbers devices anew.
        nvml: the module `pynvml`; imported unless given.
        clock: injected in tests.
        synchronise: waits for the device at both ends; torch's unless given.
    """

    def __init__(
        self,
        device: str,
        *,
        uuid: str | None = None,
        nvml: Any = None,
        clock: Clock = wall,
        synchronise: Synchronise | None = None,
    ) -> None:
        self._device, self._uuid, self._nvml = device, uuid, nvml
        self._clock = clock
        self._synchronise = synchronise
        self._handle: Any = None
        self._opened = False
        self._reason: str | None = None
        self._millijoules = 0
        self._start = 0.0
        self.energy: Energy | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.energy = self.stop()

    def start(self) -> None:
        """Open the counter and begin."""
        self._reason = self._open()
        if self._reason is None:
            self._wait()
            self._millijoules = self._read()
        self._start = self._clock()

    def stop(self) -> Energy:
        """End, and close the counter."""
        if self._opened:
            self._wait()
        seconds = self._clock() - self._start
        used = 0
        if self._reason is None:
            used = self._read() - self._millijoules
        if self._opened:
            self._nvml.nvmlShutdown()
            self._opened = False
        reason = self._reason
        if reason is None and seconds < LEAST_SECONDS:
            reason = f"a window of {seconds:.3g} s is below {LEAST_SECONDS:g} s"
        elif reason is None and used < 0:
            reason = "the counter went back: the driver was loaded anew"
        joules = None if reason else used / 1000
        return Energy(joules=joules, seconds=seconds, reason=reason)

    def _open(self) -> str | None:
        """Why there is no counter; None where there is."""
        if not self._device.startswith("cuda"):
            return f"no energy counter is read on {self._device}"
        if self._nvml is None:
            try:
                import pynvml
            except ImportError:
                return "NVML cannot be read: pip install nvidia-ml-py"
            self._nvml = pynvml
        try:
            self._nvml.nvmlInit()
            self._opened = True
            uuid = self._uuid or _uuid(self._device)
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except self._nvml.NVMLError as error:
            return f"NVML: {error}"
        return None

    def _read(self) -> int:
        """The counter, in millijoules; sets the reason where it cannot be read."""
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError as error:
            self._reason = f"NVML: {error}"
            return 0

    def _wait(self) -> None:
        if self._synchronise is None:
            self._synchronise = synchroniser(self._device)
        self._synchronise()


def _uuid(device: str) -> str:
    import torch

    found = str(torch.cuda.get_device_properties(device).uuid)
    return found if found.startswith("GPU-") else f"GPU-{found}"
