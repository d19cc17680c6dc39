"""Images of the user's: folders with one subfolder per class, and paths in a table."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DataError
from bench.tasks._rows import SPLIT_WORDS

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, KeyError, OverflowError),
    *(struct.error, zlib.error),
)
"""What Pillow's decoders raise on damaged files."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Images(Sequence[Image]):
    """Encoded images (files or bytes), decoded when they are asked for: `(h, w, 3)` uint8 RGB.

    A draw or a batch decodes its own items alone, so that a folder of photographs need
    not fit into memory.
    """

    sources: tuple[Path | bytes, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Images: ...
    def __getitem__(self, index: int | slice) -> Image | Images:
        if isinstance(index, slice):
            return Images(self.sources[index], self.names[index])
        return decode(self.sources[index], self.names[index])

    def __iter__(self) -> Iterator[Image]:
        return (self[i] for i in range(len(self)))

    def take(self, indices: NDArray[np.int64]) -> Images:
        """The images at `indices`, still encoded."""
        return Images(
            tuple(self.sources[i] for i in indices), tuple(self.names[i] for i in indices)
        )


def decode(source: Path | bytes, name: str) -> Image:
    """Decode one image, turned upright as its EXIF says, as RGB.

    Raises:
        DataError: if it is damaged, too large, or no image.
    """
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow's own limit on pixels (a few bytes can claim a terabyte) is an error here
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                if image.mode.startswith(("I", "F")):
                    raise DataError(
                        f"image {name} has more than 8 bits a channel; save it as 8-bit"
                    )
                upright = ImageOps.exif_transpose(image)
                if upright.has_transparency_data:
                    upright = upright.convert("RGBA")  # as Pillow asks before RGB
                return np.asarray(upright.convert("RGB"), dtype=np.uint8)
    except UnidentifiedImageError as error:  # its own words show a path or an address
        raise DataError(f"image {name} cannot be decoded: no known form of image") from error
    except DAMAGE as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"image {name} cannot be decoded: {why}") from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise DataError(f"image {name} is too large: {error}") from error


def inside(folder: Path, name: str, where: str) -> Path:
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
    raise DataError(f"{where}: image {name!r} {wrong}")


def files_digest(folder: Path, names: Sequence[str], where: str) -> str:
    """sha256 over the sorted lines `<sha256>  <name>` of the images that a table names."""
    lines = []
    for name in sorted(set(names)):
        with inside(folder, name, where).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read_folders(folder: Path, where: str) -> Mapping[str, Sequence[tuple[Path, str]]]:
    """(image, class) of each split of `folder/class/...` or `folder/train/class/...`.

    Without subfolders for train and test there is one split, named "train".  Hidden files
    and files of other kinds are passed over; links are refused.

    Raises:
        DataError: if there are no class folders with images in it.
    """
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    names = {p.name for p in subfolders}
    if "train" in names and names <= SPLIT_WORDS.keys():
        return {p.name: _classes(p, f"{where}/{p.name}") for p in subfolders}
    return {"train": _classes(folder, where)}


def _classes(folder: Path, where: str) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if folder.is_symlink():
        raise DataError(f"{where} is a link; put the folder itself there")
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            continue
        if path.is_symlink():
            raise DataError(f"{where}: {'/'.join(parts)} is a link; put the file itself there")
        if len(parts) > 1 and path.suffix.lower() in SUFFIXES and path.is_file():
            found.append((path, parts[0]))
    if not found:
        raise DataError(
            f"{where}: no images found; a folder holds one subfolder per class with images "
            f"({', '.join(sorted(SUFFIXES))}), or train/ and test/ with such subfolders"
        )
    return found
