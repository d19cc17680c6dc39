"""sha256 of files and of folders."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from bench.core.errors import AssetError

_UNLISTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""A line break would let one name pass for two lines of the digest; a surrogate has no UTF-8."""


def digest_file(path: Path) -> str:
    """sha256 (64 hex digits) of a file's bytes.

    Raises:
        AssetError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AssetError(f"{path}: cannot be read: {error.strerror}") from error


def digest_tree(folder: Path) -> str:
    """sha256 over the sorted lines `<file sha256>  <relative path>` + newline.

    Raises:
        AssetError: if `list_files` refuses the folder, or a file cannot be read.
    """
    lines = sorted(f"{digest_file(path)}  {name}\n" for name, path in list_files(folder).items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digest(path: Path) -> str:
    """`digest_tree` of a folder, `digest_file` of anything else."""
    return digest_tree(path) if path.is_dir() else digest_file(path)


def list_files(folder: Path) -> dict[str, Path]:
    """The files of `folder` by relative path (with `/`), sorted.

    A link to a file inside the folder counts as that file.

    Raises:
        AssetError: for a link that leaves the folder, leads to a folder or nowhere; for
            anything that is neither file nor folder; for a name that the digest's lines
            cannot hold; for a folder without files, or that cannot be read.
    """
    try:
        root = folder.resolve(strict=True)
        found = {path.relative_to(folder).as_posix(): path for path in _walk(folder, root)}
    except OSError as error:
        raise AssetError(f"{folder}: cannot be read: {error.strerror}") from error
    if not found:
        raise AssetError(f"{folder}: holds no files")
    return dict(sorted(found.items()))


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if _UNLISTABLE.search(entry.name):
                raise AssetError(f"{folder}: {entry.name!a} is no name for a file of an asset")
            if entry.is_symlink():
                _check_link(path, root)
                yield path
            elif entry.is_dir():
                yield from _walk(path, root)
            elif entry.is_file():
                yield path
            else:
                raise AssetError(f"{path}: neither a file nor a folder")


def _check_link(path: Path, root: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(root):
        raise AssetError(f"{path}: a link that leaves the folder")
    try:
        regular = stat.S_ISREG(target.stat().st_mode)
    except OSError:
        raise AssetError(f"{path}: a link that leads nowhere") from None
    if not regular:
        raise AssetError(f"{path}: a link to something that is not a file")
