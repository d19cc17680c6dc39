"""Where and with what a run happens, without anything personal.

Nothing here imports torch unless it is loaded already, so that the launcher
can ask too.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from bench.core.record import Provenance

PACKAGES = ("adaptbench", "torch", "transformers", "scikit-learn", "numpy", "tokenizers")
_GENERATION = {"family": "cpu family", "model": "model"}
_NVIDIA = Path("/proc/driver/nvidia/version")


def likely_device() -> str:
    """The kind of device a run would use ("cuda" or "cpu"), told without importing torch.

    The worker, which has torch, has the last word.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in {"", "-1"}
    return "cuda" if _NVIDIA.exists() and not hidden else "cpu"


def provenance(device: str, precision: str, *, deterministic: bool) -> Provenance:
    """Describe this process, machine and code."""
    commit, dirty = _git()
    return Provenance(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        threads=_threads(),
        device=device,
        device_name=device_name(device),
        driver=driver() if device == "cuda" else None,
        precision=precision,
        deterministic=deterministic,
        packages=packages(),
    )


@lru_cache
def packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of those that are installed; without names, of those that decide scores."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@lru_cache
def cpu_name() -> str:
    """The processor's name as the kernel has it; one that virtual machines were given in place of
    it ("AMD EPYC") with its family and model, which tell generations apart."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    return named(text) or platform.processor() or platform.machine()


def named(cpuinfo: str) -> str:
    """The name of the first processor in the text of /proc/cpuinfo; empty where it has none."""
    first = cpuinfo.partition("\n\n")[0]
    fields: dict[str, str] = dict(re.findall(r"^(.+?)\s*: (.+)$", first, re.MULTILINE))
    name = fields.get("model name", "").strip()
    told = [f"{what} {fields[of]}" for what, of in _GENERATION.items() if of in fields]
    if not name or not told or any(letter.isdigit() for letter in name):
        return name
    return f"{name} ({', '.join(told)})"


def _threads() -> int:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch else len(os.sched_getaffinity(0))


def device_name(device: str) -> str:
    """The name of the GPU, or of the processor."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch:
        return str(torch.cuda.get_device_name())
    return cpu_name()


def driver() -> str | None:
    """The version of NVIDIA's kernel module; None without one."""
    try:
        said = _NVIDIA.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(
        r"\b\d+\.\d+(\.\d+)?\b", said
    )  # "... Kernel Module for x86_64  580.65.06 ..."
    return found[0] if found else None


@lru_cache
def _git() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of this project's own checkout; None where it is not in one."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None, None
    git = ["git", "-C", str(folder)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)  # noqa: S603, PLW1510
        state = subprocess.run(  # noqa: S603, PLW1510
            [*git, "status", "--porcelain", "--untracked-files=no", "--", "bench"],
            capture_output=True,
            text=True,
        )
    except OSError:
        return None, None
    if commit.returncode or state.returncode:
        return None, None
    return commit.stdout.strip(), bool(state.stdout.strip())
