"""Phases with a fake clock, peak memory, and an environment without anything personal."""

from __future__ import annotations

import dataclasses
import getpass
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.measure import Phases, likely_device, provenance
from bench.measure.environment import cpu_name, device_name, driver, named


class FakeClock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_phases_add_up_and_nested_time_is_counted_once():
    clock = FakeClock()
    phases = Phases(clock)
    with phases.phase("tune"):
        clock.now += 2
        with phases.phase("extract"):
            clock.now += 5
            with phases.phase("load"):
                clock.now += 1
        clock.now += 3
    with phases.phase("tune"):
        clock.now += 4
    assert phases.seconds == {"tune": 9.0, "extract": 5.0, "load": 1.0}
    assert sum(phases.seconds.values()) == clock.now


def test_a_phase_that_fails_is_counted():
    clock = FakeClock()
    phases = Phases(clock)

    def fail():
        with phases.phase("fit"):
            clock.now += 1
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert phases.seconds == {"fit": 1.0}


FOLLOWED = """
import numpy as np
from bench.measure.memory import peak, reset_peak

def bytes_peak():
    return peak("cpu").bytes_resident

reset_peak("cpu")
before = bytes_peak()
block = np.ones(30_000_000)  # 240 MB
after = bytes_peak()
assert after - before > 2e8, (before, after)
del block
reset_peak("cpu")
assert bytes_peak() < after - 1e8
"""


def test_peak_memory_follows_what_is_used():
    """In a process of its own: here other tests' memory comes and goes."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FOLLOWED], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_provenance_is_whole_and_not_personal():
    found = provenance("cpu", "fp32", deterministic=False)
    text = str(dataclasses.asdict(found))
    assert found.packages["numpy"] == np.__version__
    assert found.commit is None or len(found.commit) == 40
    assert found.cpu
    for word in (str(Path.home()), socket.gethostname(), f"/{getpass.getuser()}"):
        assert word not in text


def test_asking_for_the_device_loads_no_torch():
    code = "import sys, bench.measure as m; m.likely_device(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
    assert likely_device() in {"cpu", "cuda"}


def test_a_hidden_gpu_is_not_used(monkeypatch, tmp_path):
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  1.2.3")
    monkeypatch.setattr("bench.measure.environment._NVIDIA", version)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert likely_device() == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert likely_device() == "cpu"


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19", "535.129.03"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release",
            "580.65.06",
        ),
        ("nothing of the kind", None),
    ],
)
def test_the_driver_is_a_version(monkeypatch, tmp_path, said, version):
    path = tmp_path / "version"
    path.write_text(said)
    monkeypatch.setattr("bench.measure.environment._NVIDIA", path)
    assert driver() == version


def test_the_gpu_is_named_by_torch(monkeypatch):
    cuda = SimpleNamespace(get_device_name=lambda: "a fake card")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert device_name("cuda") == "a fake card"
    assert device_name("cpu") == cpu_name()


GENERIC = "cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model name\t: AMD EPYC 9654\ncpu family\t: 25\nmodel\t\t: 17", "AMD EPYC 9654"),
        (f"{GENERIC}\n\nmodel name\t: other", "AMD EPYC (family 26, model 2)"),
        ("model name\t: AMD EPYC", "AMD EPYC"),
        ("processor\t: 0\nBogoMIPS\t: 243.75", ""),
    ],
)
def test_a_processor_has_its_generation_where_its_name_has_none(cpuinfo, name):
    assert named(cpuinfo) == name
