"""Clocks, memory and the environment."""

from bench.measure.clock import Clock, Phases, wall
from bench.measure.environment import likely_device, packages, provenance
from bench.measure.memory import bytes_peak, reset_peak

__all__ = [
    "Clock",
    "Phases",
    "bytes_peak",
    "likely_device",
    "packages",
    "provenance",
    "reset_peak",
    "wall",
]
