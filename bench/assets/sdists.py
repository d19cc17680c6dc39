"""Source distributions, downloaded and only read.

pip runs a package's setup.py even to download it. unearth, which finds packages for PDM, does not;
it gets the indexes that pip is set up with, and a process of its own, as pip has.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.assets.safety import redact
from bench.core.errors import AssetError

PYPI = "https://pypi.org/simple/"
SECTIONS = ("global", "download", ":env:")
"""Of pip's settings; what comes later counts more."""


def download_sdist(requirement: str, folder: Path) -> None:
    """Put the source distribution of NAME==VERSION, as its index has it, into `folder`.

    Raises:
        AssetError: if there is none, or it cannot be had.
    """
    # over stdin: an index's address may hold a password, which a command line shows to everybody
    order = {"requirement": requirement, "folder": str(folder), **places(pip_settings())}
    code = "from bench.assets.sdists import main; main()"
    done = _run(["-c", code], json.dumps(order))
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it gave no reason"]
        raise AssetError(f"no source distribution either: {redact(lines[-1])}")


def pip_settings() -> dict[str, str]:
    """What pip is set up with (its files and environment variables), by option.

    Raises:
        AssetError: if pip cannot say.
    """
    done = _run(["-m", "pip", "config", "list"], "")
    if done.returncode != 0:
        raise AssetError("pip cannot say how it is set up")
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found:
            found[section][option] = str(ast.literal_eval(value))
    return {k: v for section in SECTIONS for k, v in found[section].items()}


def places(settings: dict[str, str]) -> dict[str, list[str]]:
    """Where packages are looked for, by unearth's names."""
    indexes = [settings.get("index-url", PYPI), *settings.get("extra-index-url", "").split()]
    unused = settings.get("no-index", "0").lower() in {"1", "true", "yes", "on"}
    return {
        "index_urls": [] if unused else indexes,
        "find_links": settings.get("find-links", "").split(),
        "trusted_hosts": settings.get("trusted-host", "").split(),
    }


def main() -> None:
    """What the process does: read an order from stdin, download, or say in a line why not."""
    order: dict[str, Any] = json.load(sys.stdin)
    requirement, folder = order.pop("requirement"), Path(order.pop("folder"))
    if not order["index_urls"] and not order["find_links"]:
        sys.exit("no index may be asked")  # unearth would ask PyPI
    from unearth import PackageFinder

    finder = PackageFinder(no_binary=[":all:"], ignore_compatibility=True, **order)
    try:
        best = finder.find_best_match(requirement).best
        if best is None:
            sys.exit(f"no index has one of {requirement}")
        folder.mkdir(parents=True, exist_ok=True)
        path = finder.download(best.link, folder)  # where the file stands, if that is here
        if not path.name.endswith(".tar.gz"):
            sys.exit(f"{path.name} is no .tar.gz")
        if path.parent != folder:
            shutil.copyfile(path, folder / path.name)
    except Exception as error:  # noqa: BLE001 -- whatever its client raises, in one line
        sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))


def _run(arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", *arguments]  # -P: see `bench.assets.wheels`
    try:
        return subprocess.run(  # noqa: S603 -- our own words, no shell
            command, input=text, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise AssetError(f"Python cannot be started: {error.strerror}") from error
