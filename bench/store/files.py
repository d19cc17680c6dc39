"""Files that are there whole or not at all, on the disk before anybody is told of them."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

from bench.core.errors import DiskFullError, StoreError

TEMPORARY = ".tmp-"
"""How files begin that are being written."""


def commit(path: Path, data: bytes) -> bool:
    """Write `data` to `path` so that it is there whole or not at all.

    Returns False where `path` exists already: the first commit wins.

    Raises:
        StoreError: if it cannot be written (disk full, read-only, a short write).
    """
    try:
        temporary = _written(path.parent, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            os.unlink(temporary)  # noqa: PTH108 -- beside os.link
        _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def _written(folder: Path, data: bytes) -> str:
    """A finished, synced temporary file.

    Raises:
        OSError: if it cannot be written, or not all of it was (a disk may say so without an error).
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = created(folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _require_whole(os.fstat(file.fileno()).st_size, len(data))
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
    return temporary


def created(folder: Path) -> tuple[int, str]:
    """A new temporary file, open for writing, and its path; who may read it is the umask's to say,
    as folders are shared (`tempfile` would make it its owner's alone)."""
    temporary = f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary


def _require_whole(written: int, wanted: int) -> None:
    if written != wanted:
        raise OSError(errno.ENOSPC, f"only {written} of {wanted} bytes were written")


def _sync(folder: Path) -> None:
    """Have the folder's entries on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unwritable(path: Path | str, error: OSError) -> StoreError:
    """What it means that a file could not be written."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    kind = DiskFullError if full else StoreError
    return kind(f"{path}: cannot be written: {error.strerror or error}")


def replace(path: Path, data: bytes) -> None:
    """Write a derived file (a table, the index) whole, replacing what was there.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        temporary = _written(path.parent, data)
        try:
            os.replace(temporary, path)  # noqa: PTH105
        except OSError:
            os.unlink(temporary)  # noqa: PTH108
            raise
        _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def read(name: str) -> bytes:
    """A whole file. A table reads 20,000 small ones: no path object, no buffer.

    Raises:
        StoreError: if it cannot be read.
    """
    try:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise StoreError(f"{name}: cannot be read: {error.strerror}") from error
