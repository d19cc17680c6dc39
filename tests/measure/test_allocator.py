"""What is freed and wanted again is had without new pages from the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.measure.allocator import give_back, keep_memory

FAULTS = """
import resource
import torch
from bench.measure.allocator import keep_memory
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_pages_stay():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 26_000  # without keep_memory: 263,040, each page of each tensor


KEPT = """
import torch
from bench.measure import keep_memory, peak, reset_peak
keep_memory()
def work(tensors):
    held = [torch.ones(3_000_000) for _ in range(tensors)]  # 12 MB each
    after = torch.ones(1000)  # beyond them: the heap's end is not free
    return after
reset_peak()
work(2)
alone = peak().bytes_resident
kept = work(60)
reset_peak()
work(2)
print((peak().bytes_resident - alone) / 1e6)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of glibc")
def test_a_peak_is_not_that_of_the_case_before():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 50  # MB; 295 where freed memory stayed


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr("bench.measure.allocator.sys.platform", "darwin")
    assert keep_memory() is False
    assert give_back() is False
