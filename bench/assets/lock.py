"""The lock file beside a suite: what the suite leaves unpinned, as it was at first use."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.assets.hub import hub_identity, hub_uri
from bench.assets.safety import redact
from bench.assets.uri import FileUri, HubUri, absolute_file, file_path, normal, parse
from bench.core.errors import AssetError
from bench.core.suite import Precision, Resolved

SCHEMA = 1
_PIN = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_HEADER = (
    "# Written by bench: the bytes that the suite beside this file means, where the suite\n"
    "# itself does not say (sha256, or the commit of a hub repository).  Keep it with the\n"
    "# suite; to accept new bytes, delete their line or the file.\n"
)


class Lock:
    """Pins by URI, as the suite writes them: sha256, or a commit for a hub repository."""

    def __init__(
        self,
        path: Path,
        pins: Mapping[str, str] | None = None,
        precisions: Mapping[str, Resolved] | None = None,
    ) -> None:
        self.path = path
        self._pins = dict(pins or {})
        self._precisions = dict(precisions or {})
        self._saved = (dict(self._pins), dict(self._precisions))

    @classmethod
    def read(cls, path: Path) -> Lock:
        """The lock at `path`; an empty one where there is no file yet.

        Raises:
            AssetError: if the file is damaged or of a newer schema.
        """
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls(path)
        except (OSError, UnicodeDecodeError) as error:
            raise AssetError(f"{path}: cannot be read: {error}") from error
        content = _content_of(path, text)
        return cls(path, _pins_of(path, content), _precisions_of(path, content))

    @classmethod
    def beside(cls, suite: Path) -> Lock:
        """The lock of a suite file: `tickets.toml` has `tickets.lock`.

        Raises:
            AssetError: as `read`.
        """
        return cls.read(suite.with_suffix(".lock"))

    @property
    def pins(self) -> Mapping[str, str]:
        return dict(self._pins)

    @property
    def changed(self) -> bool:
        return (self._pins, self._precisions) != self._saved

    def get(self, uri: str) -> str | None:
        return self._pins.get(normal(uri))

    def set(self, uri: str, pin: str) -> None:
        """Pin `uri` in memory; `save` writes it.

        Raises:
            ValueError: if `pin` is neither a sha256 nor a commit.
        """
        if not _PIN.fullmatch(pin):
            raise ValueError(f"not a digest: {pin!r}")
        self._pins[normal(uri)] = pin

    def precision(self, name: str) -> Resolved | None:
        """What `precision = "auto"` came to for `name`: a backbone on a kind of device."""
        return self._precisions.get(name)

    def set_precision(self, name: str, found: Resolved) -> None:
        """Keep a decision in memory; `save` writes it."""
        self._precisions[name] = found

    def save(self) -> None:
        """Write the file whole or not at all, and only if something changed.

        Raises:
            AssetError: if it cannot be written.
        """
        if not self.changed:
            return
        lines = [f"{_quoted(uri)} = {_quoted(pin)}\n" for uri, pin in sorted(self._pins.items())]
        text = f"{_HEADER}\nschema = {SCHEMA}\n\n[pins]\n{''.join(lines)}"
        if self._precisions:
            text += "\n[precision]  # what auto came to\n"
            for name, found in sorted(self._precisions.items()):
                value = f'{{ use = "{found.precision.value}", drift = {found.drift:.3g} }}'
                text += f"{_quoted(name)} = {value}\n"
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=self.path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)  # mkstemp's own is for its owner only
            Path(temporary).replace(self.path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise AssetError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._saved = (dict(self._pins), dict(self._precisions))


def key_of(uri: str, folder: Path) -> str:
    """How the lock of a suite in `folder` names a URI: a file inside is relative to it, however
    the way there is written.

    Raises:
        AssetError: if the URI is malformed.
    """
    if not isinstance(parse(uri), FileUri):
        return uri
    path, root = file_path(uri, folder), file_path("file:.", folder)
    return f"file:{path.relative_to(root).as_posix()}" if path.is_relative_to(root) else uri


def pinned_digest(uri: str, pins: Mapping[str, str], folder: Path = Path()) -> str | None:
    """The digest for a source that has `uri` alone: from its own commit, else from `pins`.

    For a hub repository locked to a commit it is the identity of `pinned_uri(uri, pins)`;
    `folder` is the suite's.

    Raises:
        AssetError: if the URI is malformed.
    """
    parsed = parse(uri)
    names = (key_of(uri, folder), uri, absolute_file(uri, folder))
    pin = next((pins[normal(name)] for name in names if normal(name) in pins), None)
    if isinstance(parsed, HubUri) and (parsed.pinned or len(pin or "") == 40):
        return hub_identity(pinned_uri(uri, pins))
    return pin


def pinned_uri(uri: str, pins: Mapping[str, str]) -> str:
    """`uri`, with the commit that `pins` gives a hub repository.

    Raises:
        AssetError: if the URI is malformed.
    """
    parsed = parse(uri)
    pin = pins.get(normal(uri))
    if not isinstance(parsed, HubUri) or parsed.pinned or pin is None or len(pin) != 40:
        return uri
    return str(HubUri(parsed.kind, parsed.repo, pin, hub_uri(uri).file))


def _content_of(path: Path, text: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AssetError(f"{path}: not a lock file that can be read: {error}") from error
    schema = content.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise AssetError(f"{path}: it has no schema number")
    if schema > SCHEMA:
        raise AssetError(f"{path}: schema {schema} is newer than {SCHEMA}; use a newer bench")
    return content


def _precisions_of(path: Path, content: Mapping[str, Any]) -> dict[str, Resolved]:
    found = {}
    try:
        for name, value in content.get("precision", {}).items():
            found[name] = Resolved(Precision(value["use"]), float(value["drift"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AssetError(f"{path}: [precision] is not what bench writes") from error
    return found


def _pins_of(path: Path, content: Mapping[str, Any]) -> dict[str, str]:
    pins = content.get("pins", {})
    if not isinstance(pins, dict):
        raise AssetError(f"{path}: [pins] is not a table")
    for uri, pin in pins.items():
        if not isinstance(pin, str) or not _PIN.fullmatch(pin):
            raise AssetError(f"{path}: {redact(uri)!a}: {pin!a} is not a digest")
    return pins


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's, and DEL needs one more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
