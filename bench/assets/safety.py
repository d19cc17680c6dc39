"""What keeps names and messages from outside harmless."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from bench.core.errors import AssetError

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MAX_COMPONENT = 255  # bytes: the limit of the usual file systems

_USERINFO = re.compile(r"(?<=://)[^/\s'\"]*@")
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s'\"]+(?=[\s'\")]|$)")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")


def redact(text: str) -> str:
    """`text` without what could be a secret: user:password@, URL queries, hub tokens."""
    text = _USERINFO.sub("***@", text)
    if "://" in text:
        text = _QUERY.sub("?***", text)
    return _TOKEN.sub("hf_***", text)


def safe_relative(name: str) -> PurePosixPath:
    """The relative path that `name` (from an archive, a URI, a listing) stands for.

    Raises:
        AssetError: if it is empty, absolute, has `..`, a drive letter, a backslash or a
            control character, or cannot be a file name.
    """
    if problem := _problem(name):
        raise AssetError(f"unsafe path {redact(name)!a}: {problem}")
    return PurePosixPath(name)


def _problem(name: str) -> str:
    parts = name.removesuffix("/").split("/")
    checks = {
        "it holds a control character": _CONTROL.search(name) is not None,
        "it holds a backslash": "\\" in name,  # a separator on some systems
        "it is absolute": name.startswith("/"),
        "it leaves its folder": ".." in parts,
        "it has an empty part": "" in parts or "." in parts,
        "it names a drive": any(_DRIVE.match(part) for part in parts),
        "it is not valid text": _SURROGATE.search(name) is not None,
        "a part of it is too long": any(
            len(part.encode(errors="replace")) > _MAX_COMPONENT for part in parts
        ),
    }
    return next((problem for problem, found in checks.items() if found), "")
