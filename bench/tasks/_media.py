"""Images and sounds of the user's: folders with one subfolder per class, and paths in a table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError
from bench.core.identity import item_digest
from bench.core.inputs import Encoded, taken
from bench.core.task import Input, Joined, Modality, Sound
from bench.tasks import _images, _sounds
from bench.tasks._rows import SPLIT_WORDS

SUFFIXES: Mapping[Modality, frozenset[str]] = {
    Modality.IMAGE: frozenset(
        {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
    ),
    Modality.AUDIO: frozenset(
        {".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"},
    ),
}
"""Files that a folder is looked through for."""
UNREAD: Mapping[Modality, frozenset[str]] = {
    Modality.IMAGE: frozenset({".avif", ".cr2", ".dng", ".heic", ".heif", ".jp2", ".jxl", ".nef"}),
    Modality.AUDIO: frozenset({".aac", ".amr", ".m4a", ".mka", ".webm", ".wma"}),
}
"""Images and sounds all the same: without them a folder would be another task."""
DECODERS: Mapping[Modality, Callable[[Path | bytes, str], Input]] = {
    Modality.IMAGE: _images.decode,
    Modality.AUDIO: _sounds.decode,
}


KEPT_BYTES = 512 << 20
"""Decoded images or sounds of a column that stay in memory: small ones are decoded once."""


@dataclass(slots=True)
class Memory:
    """What is known of a column's sources: their digests, and the first decoded ones."""

    digests: dict[Path | bytes, bytes] = field(default_factory=dict)
    decoded: dict[Path | bytes, Input] = field(default_factory=dict)
    room: int = KEPT_BYTES


class Media(Encoded):
    """Encoded images or sounds (files or bytes), decoded when they are asked for.

    A draw or a batch decodes its own items alone, so that a folder of photographs need
    not fit into memory. What was taken of it shares its `memory`.
    """

    def __init__(
        self,
        modality: Modality,
        sources: tuple[Path | bytes, ...],
        names: tuple[str, ...],
        memory: Memory | None = None,
    ) -> None:
        self.modality, self.sources, self.names = modality, sources, names
        self._memory = Memory() if memory is None else memory

    def __len__(self) -> int:
        return len(self.sources)

    def one(self, index: int) -> Input:
        source, memory = self.sources[index], self._memory
        if (known := memory.decoded.get(source)) is not None:
            return known
        found = DECODERS[self.modality](source, self.names[index])
        size = _bytes(found)
        if size <= memory.room:
            memory.decoded[source] = found
            memory.room -= size
        return found

    def digest(self, index: int) -> bytes:
        source, known = self.sources[index], self._memory.digests
        if source not in known:
            known[source] = item_digest(self.one(index))
        return known[source]

    def take(self, indices: NDArray[np.int64]) -> Media:
        sources = tuple(self.sources[i] for i in indices)
        return Media(self.modality, sources, tuple(self.names[i] for i in indices), self._memory)


def _bytes(item: Input) -> int:
    return int((item.samples if isinstance(item, Sound) else item).nbytes)


class Several(Encoded):
    """Inputs of several parts, each part a column: see `bench.core.task.Parted`."""

    def __init__(self, columns: Mapping[str, Sequence[Input]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def one(self, index: int) -> Joined:
        return Joined({name: values[index] for name, values in self.columns.items()})

    def digest(self, index: int) -> bytes:
        return item_digest(self.one(index))

    def part(self, name: str) -> Sequence[Input]:
        return self.columns[name]

    def take(self, indices: NDArray[np.int64]) -> Several:
        return Several({name: taken(values, indices) for name, values in self.columns.items()})


def inside(folder: Path, name: str, where: str, word: str) -> Path:
    """The file that a table names, which must lie in the table's folder.

    Raises:
        DataError: for an absolute path, one that climbs out, or a link that leads out.
    """
    wrong = None
    relative = Path(name)
    if not name or "\0" in name:
        wrong = "is no path"
    elif relative.is_absolute() or ".." in relative.parts or "\\" in name:
        wrong = "is not a plain path under the table's folder"
    else:
        path = (folder / relative).resolve()
        if not path.is_relative_to(folder.resolve()):
            wrong = "leads out of the table's folder"
        elif not path.is_file():
            wrong = "is not there"
        else:
            return path
    raise DataError(f"{where}: {word} {name!r} {wrong}")


def files_digest(folder: Path, names: Sequence[str], where: str, word: str) -> str:
    """sha256 over the sorted lines `<sha256>  <name>` of the files that a table names."""
    lines = []
    for name in sorted(set(names)):
        with inside(folder, name, where, word).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read_folders(
    folder: Path, where: str, modality: Modality
) -> Mapping[str, Sequence[tuple[Path, str]]]:
    """(file, class) of each split of `folder/class/...` or `folder/train/class/...`.

    Without subfolders for train and test (or validation) there is one split, named "train".
    Hidden files and files that are neither images nor sounds are passed over; links are refused.

    Raises:
        DataError: if there are no class folders with such files in it, one of them has none, an
            image or a sound is of a kind that is not read, or a folder beside those of the splits
            is none of them.
    """
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    words = {p.name: SPLIT_WORDS.get(p.name.lower()) for p in subfolders}
    others = sorted(name for name, word in words.items() if word is None)
    if "train" in words.values() and not others:
        return {p.name: _classes(p, f"{where}/{p.name}", modality) for p in subfolders}
    if "train" in words.values() and len(set(words.values()) - {None}) > 1:
        other = others[0]
        raise DataError(
            f"{where}: beside the splits stands {other!r}, which is none of them "
            f"({', '.join(sorted(SPLIT_WORDS))}); take it elsewhere"
        )
    return {"train": _classes(folder, where, modality)}


def _classes(folder: Path, where: str, modality: Modality) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    passed_over: dict[str, Path] = {}  # one of each folder
    if folder.is_symlink():
        raise DataError(f"{where} is a link; put the folder itself there")
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            continue
        if path.is_symlink():
            raise DataError(f"{where}: {'/'.join(parts)} is a link; put the file itself there")
        if len(parts) == 1 or not path.is_file():
            continue
        if path.suffix.lower() in UNREAD[modality]:
            raise DataError(
                f"{where}: {'/'.join(parts)} is of a kind that is not read; convert it, to "
                f"{'PNG' if modality is Modality.IMAGE else 'FLAC'} for example"
            )
        if path.suffix.lower() in SUFFIXES[modality]:
            found.append((path, parts[0]))
        else:
            passed_over.setdefault(parts[0], path)
    without = sorted(passed_over.keys() - {label for _, label in found})
    if found and without:
        name = passed_over[without[0]].relative_to(folder).as_posix()
        raise DataError(
            f"{where}: folder {without[0]!r} has files ({name}), but no {modality.value} files as "
            "the others have: convert them, or take it elsewhere"
        )
    if not found:
        raise DataError(
            f"{where}: no {modality.value} files found; a folder holds one subfolder per class "
            f"with them ({', '.join(sorted(SUFFIXES[modality]))}), or train/ and test/ with such "
            "subfolders"
        )
    return found
