"""What is freed and wanted again is had without new pages from the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.measure.allocator import keep_memory

FAULTS = """
import resource, sys
import torch
from bench.measure.allocator import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
def work():
    held = [torch.ones(size) for size in (3_000_000, 4_500_000, 6_000_000)]  # 12 to 24 MB each
    held.reverse()
    del held[:]
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_pages_stay():
    assert faults("keep") < 26_000  # as it is: 263,040, each page of each tensor


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr("bench.measure.allocator.sys.platform", "darwin")
    assert keep_memory() is False
