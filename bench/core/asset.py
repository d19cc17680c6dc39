"""What an asset is: bytes from outside, named by URIs and pinned by digests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.core.identity import digest


class Unpack(StrEnum):
    """How the fetched bytes become the bytes that the digest is of."""

    NONE = "none"  # as they come
    GZIP = "gzip"  # one compressed file
    BZIP2 = "bzip2"  # one compressed file
    ZIP = "zip"  # an archive: `member` names the file or the folder (ending in /) wanted


@dataclass(frozen=True, slots=True)
class Source:
    """One file or one folder of an asset.

    `path` is its name inside the asset, also in a mirror folder; `uris` are
    alternatives, tried in order; `parts` instead are joined in order before
    unpacking.  `tree` says that the source is a folder: its digest is sha256 over
    the sorted lines `<file sha256>  <relative path>` + newline.  `sha256 = None`
    means not pinned yet (a user's own data): the lock file pins it.
    """

    path: str
    uris: tuple[str, ...] = ()
    sha256: str | None = None
    tree: bool = False
    parts: tuple[str, ...] = ()
    unpack: Unpack = Unpack.NONE
    member: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A named set of sources with its licence; `bytes_download` is what fetching it costs."""

    name: str
    sources: tuple[Source, ...]
    license: str
    bytes_download: int = 0
    homepage: str = ""

    @property
    def pinned(self) -> bool:
        return all(source.sha256 for source in self.sources)

    @property
    def digest(self) -> str:
        """sha256 over the digests of the sources; names the content, not where it came from.

        Raises:
            ValueError: if a source is not pinned yet.
        """
        if not self.pinned:
            raise ValueError(f"asset {self.name!r} is not pinned")
        return digest([[source.path, source.sha256] for source in self.sources])
