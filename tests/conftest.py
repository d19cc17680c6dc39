"""Shared by all tests: few threads, no chatter, and real tiny things to work with."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # it has inherited what was set here before it began
    os.environ["OMP_NUM_THREADS"] = "1"  # processes with two threads each wait for them, spinning
else:
    os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest
from hypothesis import settings

from tests.faults.plugin import *  # noqa: F403 -- hooks and fixtures of the table of faults

settings.register_profile("bench", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("bench")


@pytest.fixture
def suite_file(tmp_path):
    """Write a suite file and return its path."""

    def write(text: str, name: str = "suite.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
