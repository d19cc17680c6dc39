"""Where bytes come from: the five kinds of URI, read and written without any I/O."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from bench.assets.safety import redact, safe_relative
from bench.core.errors import AssetError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")  # PEP 440; never starts like an option
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_URL = re.compile(r"[!-~]+")  # what an address may hold; the rest is percent-encoded
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class PypiUri:
    """`pypi:NAME==VERSION#member`: a file of a wheel, or a folder of it (ending in `/`).

    Where a package has no wheel, of its source distribution, without the folder around it all.
    """

    name: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"pypi:{self.name}=={self.version}#{self.member}"


@dataclass(frozen=True, slots=True)
class HubUri:
    """`hub:models/ORG/NAME@REVISION#file`: a repository of the hub, or one file of it."""

    kind: str  # "models" or "datasets"
    repo: str  # "ORG/NAME"
    revision: str = ""  # a branch, a tag, a commit, or nothing
    file: str = ""

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        file = f"#{self.file}" if self.file else ""
        return f"hub:{self.kind}/{self.repo}{revision}{file}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit hash, which names its content."""
        return _COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True, slots=True)
class WebUri:
    """`https://...#member`: one file, or a member of the zip there."""

    url: str  # without the fragment
    member: str = ""

    def __str__(self) -> str:
        return f"{self.url}#{self.member}" if self.member else self.url

    @property
    def basename(self) -> str:
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True, slots=True)
class FileUri:
    """`file:path`: the user's own file or folder, relative to the suite's folder."""

    path: str

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class PackageUri:
    """`package:MODULE#path`: data inside an installed package, which is not imported."""

    module: str
    path: str

    def __str__(self) -> str:
        return f"package:{self.module}#{self.path}"


Uri = PypiUri | HubUri | WebUri | FileUri | PackageUri


def parse(text: str) -> Uri:
    """Read a URI; `str()` of the result gives it back.

    Raises:
        AssetError: if it is malformed; the message never repeats a credential.
    """
    scheme, colon, rest = text.partition(":")
    reader = _READERS.get(scheme)
    if not colon or reader is None:
        known = ", ".join(f"{name}:" for name in _READERS)
        raise _malformed(text, f"it starts with none of {known}")
    if not rest:
        raise _malformed(text, f"nothing follows {scheme}:")
    return reader(text, rest)


def file_path(uri: str, folder: Path) -> Path:
    """The absolute path that a `file:` URI names, `folder` being where it starts.

    Raises:
        AssetError: if it is malformed or another kind of URI.
    """
    parsed = parse(uri)
    if not isinstance(parsed, FileUri):
        raise _malformed(uri, "a file: URI is needed here")
    # Lexical on purpose: the path stays as the user's links have it.
    return Path(os.path.abspath(folder / parsed.path))  # noqa: PTH100


def absolute_file(uri: str, folder: Path) -> str:
    """`uri` with a relative `file:` path made absolute; every other URI as it is.

    Raises:
        AssetError: if it is malformed.
    """
    return f"file:{file_path(uri, folder)}" if isinstance(parse(uri), FileUri) else uri


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine itself."""
    return host in _LOOPBACK


def _pypi(text: str, rest: str) -> PypiUri:
    requirement, _, member = rest.partition("#")
    name, equals, version = requirement.partition("==")
    if not equals or not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise _malformed(text, "the form is pypi:NAME==VERSION#member/path")
    return PypiUri(name, version, _member(text, member, "the member of the wheel"))


def _hub(text: str, rest: str) -> HubUri:
    place, hash_mark, file = rest.partition("#")
    where, at, revision = place.partition("@")
    kind, _, repo = where.partition("/")
    if kind not in {"models", "datasets"} or not _REPO.fullmatch(repo):
        raise _malformed(text, "the form is hub:models/ORG/NAME@REVISION or hub:datasets/...")
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise _malformed(text, "the revision is a commit, a tag or a branch")
    if hash_mark and (not file or file.endswith("/")):
        raise _malformed(text, "after # stands one file of the repository")
    return HubUri(kind, repo, revision, _member(text, file, "the file") if file else "")


def _web(text: str, _rest: str) -> WebUri:
    url, hash_mark, member = text.partition("#")
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        raise _malformed(text, "the address cannot be read") from None
    if not url.startswith(f"{split.scheme}://") or not host or not _URL.fullmatch(url):
        raise _malformed(text, "the form is https://HOST/PATH")
    if "@" in split.netloc:
        raise _malformed(text, "a user name or password does not belong in an address")
    if split.scheme == "http" and not is_loopback(host):
        raise _malformed(text, "plain http: is not safe; use https:")
    if hash_mark and not member:
        raise _malformed(text, "nothing follows #")
    return WebUri(url, _member(text, member, "the member") if member else "")


def _file(text: str, rest: str) -> FileUri:
    if rest.startswith("//"):
        rest = rest.removeprefix("//")
        if not rest.startswith("/"):
            raise _malformed(text, "another machine's files are out of reach")
    if "\0" in rest:
        raise _malformed(text, "it holds a NUL")
    return FileUri(rest)


def _package(text: str, rest: str) -> PackageUri:
    module, _, path = rest.partition("#")
    if not _MODULE.fullmatch(module):
        raise _malformed(text, "the form is package:MODULE#path/in/package")
    return PackageUri(module, _member(text, path, "the path in the package"))


def _member(text: str, member: str, what: str) -> str:
    if not member:
        raise _malformed(text, f"{what} is missing (after #)")
    try:
        safe_relative(member)
    except AssetError as error:
        raise _malformed(text, str(error)) from None
    return member


def _malformed(text: str, why: str) -> AssetError:
    return AssetError(f"{redact(text)!a} is not a URI that can be read: {why}")


_READERS: dict[str, Callable[[str, str], Uri]] = {
    "pypi": _pypi,
    "hub": _hub,
    "https": _web,
    "http": _web,  # for servers on this machine
    "file": _file,
    "package": _package,
}


def normal(uri: str) -> str:
    """The form under which a lock file keeps `uri`: `file:./a/../b` is `file:b`.

    Raises:
        AssetError: if it is malformed.
    """
    parsed = parse(uri)
    if isinstance(parsed, FileUri):
        return f"file:{posixpath.normpath(parsed.path)}"
    return str(parsed)
