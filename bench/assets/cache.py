"""The folder of verified assets, by digest.

    <cache>/assets/<sha256>/<file name>      one file
    <cache>/assets/<sha256>/tree/            or one folder
    <cache>/assets/<sha256>/.entry.json      their sizes, to notice a truncation at once

An entry is built in a temporary folder beside the others and renamed into place, so
that it is there whole or not at all; of two processes, the second discards its copy.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from bench.assets.digests import list_files
from bench.core.errors import AssetError

SIDECAR = ".entry.json"
TREE = "tree"
_TEMPORARY = ".tmp-"
_STALE_SECONDS = 48 * 3600  # a temporary folder this old belongs to a process that died


def cache_folder() -> Path:
    """Where assets and features are kept: `BENCH_CACHE`, or the user's cache folder."""
    if chosen := os.environ.get("BENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("adaptbench")


def mirrors() -> list[Path]:
    """The folders of `BENCH_MIRROR`: each holds one folder per asset, named after it."""
    paths = os.environ.get("BENCH_MIRROR", "").split(os.pathsep)
    return [Path(path).expanduser().absolute() for path in paths if path]


def entry(sha256: str) -> Path:
    """The folder that holds the content `sha256`, whether it is there or not."""
    return cache_folder() / "assets" / sha256


def content_path(sha256: str, name: str, *, tree: bool) -> Path:
    """Where the file called `name`, or the folder, of this digest stands or would stand."""
    return entry(sha256) / (TREE if tree else name)


def lookup(sha256: str, name: str, *, tree: bool) -> Path | None:
    """The cached content if its sizes are as recorded, else None.

    Raises:
        AssetError: if the same bytes cannot be given the name `name` beside their first.
    """
    folder, content = entry(sha256), content_path(sha256, name, tree=tree)
    recorded = _recorded(folder)
    if recorded is None:
        return None
    if not tree and not content.exists():
        _link(folder, recorded, content)
    whole = content.is_dir() == tree and recorded == _sizes(folder, content)
    return content if whole else None


def damaged(sha256: str) -> bool:
    """Whether something stands under this digest (asked after `lookup` gave nothing)."""
    return entry(sha256).exists()


def enter(sha256: str, name: str, content: Path) -> Path:
    """Move verified `content`, built inside a `scratch` folder, into the cache.

    Raises:
        AssetError: if it cannot be written.
    """
    folder, tree = entry(sha256), content.is_dir()
    try:
        staged = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=content.parent))
        content = content.rename(staged / (TREE if tree else name))
        sizes = _sizes(staged, content)
        (staged / SIDECAR).write_text(json.dumps({"bytes": sizes}, sort_keys=True), "utf-8")
        for path in [*list_files(staged).values(), *([content] if tree else []), staged]:
            _sync(path)
        _commit(staged, folder, name, tree=tree)
    except OSError as error:
        raise _unwritable(error) from error
    _sync(folder.parent)
    return folder / (TREE if tree else name)


def _commit(staged: Path, folder: Path, name: str, *, tree: bool) -> None:
    try:
        staged.rename(folder)
    except OSError:
        # Another process was first, or a damaged entry is in the way.
        if lookup(folder.name, name, tree=tree) is not None:
            return
        doomed = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder.parent))
        with suppress(FileNotFoundError):
            folder.rename(doomed / "damaged")
        shutil.rmtree(doomed, ignore_errors=True)
        with suppress(OSError):
            staged.rename(folder)
        if lookup(folder.name, name, tree=tree) is None:
            raise


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder on the cache's own file system, gone afterwards.

    Raises:
        AssetError: if the cache folder cannot be written.
    """
    try:
        folder = temporary_folder()
    except OSError as error:
        raise _unwritable(error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder() -> Path:
    """A new temporary folder in the cache; its maker deletes it, or a later process does."""
    parent = cache_folder() / "assets"
    parent.mkdir(parents=True, exist_ok=True)
    oldest = time.time() - _STALE_SECONDS
    for path in parent.glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=parent))


def _recorded(folder: Path) -> dict[str, int] | None:
    try:
        recorded = json.loads((folder / SIDECAR).read_text("utf-8"))["bytes"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return recorded if isinstance(recorded, dict) else None


def _sizes(folder: Path, content: Path) -> dict[str, int] | None:
    """Bytes per file: a tree's by path below `folder`, one file's under "" whatever its name."""
    try:
        if not content.is_dir():
            return {"": content.stat().st_size}
        files = list_files(content)
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files.values()}
    except (OSError, AssetError):
        return None


def _link(folder: Path, recorded: dict[str, int], content: Path) -> None:
    """Give the bytes of an entry a second name: two assets may call the same file differently."""
    for path in sorted(folder.iterdir()):
        if path.name != SIDECAR and _sizes(folder, path) == recorded:
            with scratch() as temporary:
                copy = temporary / content.name
                try:
                    os.link(path, copy)
                except OSError:  # a file system without hard links
                    shutil.copyfile(path, copy)
                copy.replace(content)
            return


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(error: OSError) -> AssetError:
    return AssetError(
        f"the cache {cache_folder()} cannot be written: {error.strerror}; "
        "make room there, or set BENCH_CACHE to another folder"
    )
