"""What a failure may say."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from bench.runner.scrub import scrub, where

pytestmark = pytest.mark.fault(40, "secrets, places and names in what a record says")


def test_secrets_and_places_are_taken_out(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
    text = (
        f"could not open {Path.home()}/deep/er/model.safetensors with hf_abcdefghijkl at "
        f"https://me:pass@example.org/x on {socket.gethostname()}"
    )
    clean = scrub(text)
    assert "hf_abcdefghijkl" not in clean
    assert "me:pass" not in clean
    assert str(Path.home()) not in clean
    assert "model.safetensors" in clean
    if len(socket.gethostname()) > 2:
        assert socket.gethostname() not in clean


def test_a_user_name_is_taken_out(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "somebody")
    assert scrub("somebody was here") == "user was here"


def test_length_is_bounded():
    assert len(scrub("x" * 100_000)) == 2000


def test_a_traceback_without_values():
    def fail(secret):
        raise ValueError(secret)

    with pytest.raises(ValueError, match="local") as caught:
        fail("in a local variable")
    found = where(caught.value)
    assert found.startswith("test_scrub.py:")
    assert "local variable" not in found
