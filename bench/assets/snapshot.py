"""Which files of a hub repository are wanted, and which snapshots are known to be whole.

The hub's cache cannot always tell a whole snapshot from a broken-off one.  After each
complete fetch a note with sizes and digests is kept at `<cache>/hub/<digest of URI>.json`;
a snapshot that agrees with it is used without asking the hub.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.assets.cache import cache_folder
from bench.assets.digests import digest_file
from bench.assets.uri import HubUri
from bench.core.errors import AssetError

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.tiktoken", "tokenizer*")
_DATASET_SUFFIXES = (
    *("parquet", "csv", "tsv", "json", "jsonl", "txt", "zip", "csv.gz", "json.gz", "jsonl.gz"),
    *("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff"),
    *("wav", "flac", "mp3", "ogg", "opus", "m4a"),
)
DATASET_FILES = (
    "README.md",  # the card says which files are which split
    *(f"*.{suffix}" for suffix in _DATASET_SUFFIXES),
    *(f"*.{suffix.upper()}" for suffix in _DATASET_SUFFIXES),  # .JPEG and .WAV are as common
)
REFUSED = (
    *("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.npy", "*.npz"),  # may run code
    *("*.py", "*.pyc", "*.so", "*.dll", "*.sh"),  # do run code
    *("*.h5", "*.msgpack", "*.onnx", "*.gguf", "*.ot"),  # other frameworks' copies
)


def allowed(uri: HubUri) -> list[str]:
    """The patterns of files wanted: never pickles, never code."""
    return list(MODEL_FILES if uri.kind == "models" else DATASET_FILES)


def wanted_files(uri: HubUri, content: Path) -> dict[str, Path]:
    """The wanted files of a snapshot by path in the repository, links resolved.

    Raises:
        AssetError: if a link leaves the repository's folder in the hub's cache.
    """
    if uri.file:
        return {uri.file: content}
    found = {}
    # <repository>/snapshots/<commit>/<file> links to <repository>/blobs/<digest>
    repository = content.resolve().parent.parent
    for folder, _, names in os.walk(content):
        for path in (Path(folder, name) for name in names):
            name = path.relative_to(content).as_posix()
            if _matches(name, allowed(uri)) and not _matches(name, REFUSED):
                if not path.resolve().is_relative_to(repository):
                    raise AssetError(f"{uri}: {name} links out of the hub's cache")
                found[name] = path
    return dict(sorted(found.items()))


def _matches(name: str, patterns: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def lookup(uri: HubUri) -> Path | None:
    """The local snapshot (or file) if all of the files once fetched are there, by size."""
    note = _note(uri) if uri.pinned else None
    if note is None:
        return None
    content = Path(note["path"])
    for name, (size, _) in note["files"].items():
        path = content if uri.file else content / name
        try:
            if path.stat().st_size != size:
                return None
        except OSError:
            return None
    return content


def remember(uri: HubUri, content: Path) -> None:
    """Note that `content` is whole; a cache that cannot be written only costs a later question."""
    if not uri.pinned:
        return
    files = {
        name: [path.stat().st_size, digest_file(path)]
        for name, path in wanted_files(uri, content).items()
    }
    note = json.dumps({"path": str(content), "files": files}, indent=1, sort_keys=True)
    target = _note_path(uri)
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(note)
        Path(temporary).replace(target)


def problems(uri: HubUri) -> list[str]:
    """What differs from the files once fetched, by re-hashing them."""
    note = _note(uri)
    if note is None or lookup(uri) is None:
        return [f"{uri}: not, or not completely, in the hub's local cache"]
    content = Path(note["path"])
    return [
        f"{uri}: {name}: sha256 is {actual}, but was {expected} when it was fetched"
        for name, (_, expected) in note["files"].items()
        if (actual := digest_file(content if uri.file else content / name)) != expected
    ]


def _note_path(uri: HubUri) -> Path:
    return cache_folder() / "hub" / f"{hashlib.sha256(str(uri).encode()).hexdigest()}.json"


def _note(uri: HubUri) -> dict[str, Any] | None:
    try:
        note = json.loads(_note_path(uri).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(note, dict) and {"path", "files"} <= note.keys()
    return note if whole else None
