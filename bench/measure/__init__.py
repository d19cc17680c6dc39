"""Clocks, timing, the hardware's limits, energy, memory, launches and the environment."""

from bench.measure.allocator import keep_memory
from bench.measure.cards import gpus
from bench.measure.ceiling import Ceiling, Shape, measure_ceiling
from bench.measure.clock import Clock, Phases, wall
from bench.measure.device_clock import (
    ClockCheck,
    EventClock,
    Stopwatch,
    WallClock,
    check_clock,
    compare_clocks,
    device_stopwatch,
    synchroniser,
)
from bench.measure.energy import Energy, EnergyWindow
from bench.measure.environment import likely_device, packages, provenance
from bench.measure.interleaved import Interleaved, interleave
from bench.measure.launches import Launches, count_launches
from bench.measure.limits import (
    EAGER,
    FUSED,
    Encoder,
    Fusion,
    Limit,
    Roof,
    Utilisation,
    utilisation,
    vit_flops,
)
from bench.measure.memory import Peak, bytes_peak, peak, reset_peak
from bench.measure.timing import RULE, Rate, Stopped, StopRule, Timing, measure

__all__ = [
    "EAGER",
    "FUSED",
    "RULE",
    "Ceiling",
    "Clock",
    "ClockCheck",
    "Encoder",
    "Energy",
    "EnergyWindow",
    "EventClock",
    "Fusion",
    "Interleaved",
    "Launches",
    "Limit",
    "Peak",
    "Phases",
    "Rate",
    "Roof",
    "Shape",
    "StopRule",
    "Stopped",
    "Stopwatch",
    "Timing",
    "Utilisation",
    "WallClock",
    "bytes_peak",
    "check_clock",
    "compare_clocks",
    "count_launches",
    "device_stopwatch",
    "gpus",
    "interleave",
    "keep_memory",
    "likely_device",
    "measure",
    "measure_ceiling",
    "packages",
    "peak",
    "provenance",
    "reset_peak",
    "synchroniser",
    "utilisation",
    "vit_flops",
    "wall",
]
