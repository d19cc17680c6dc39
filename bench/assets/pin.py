"""Pinning what a suite leaves open: hashed at first use, held to it afterwards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bench.assets import cache, fetch
from bench.assets.digests import digest
from bench.assets.hub import hub_identity, resolve_revision
from bench.assets.lock import Lock, key_of, pinned_uri
from bench.assets.resolve import Report, add_to_cache, in_place, quiet
from bench.assets.safety import redact
from bench.assets.uri import HubUri, absolute_file, parse
from bench.core.asset import Asset, Source, Unpack
from bench.core.errors import AssetError, DigestMismatchError


def pin(
    asset: Asset, folder: Path, lock: Lock, *, locked: bool = False, report: Report = quiet
) -> Asset:
    """`asset` with a digest for every source and with absolute `file:` URIs.

    A `file:` source is hashed now; anything else is taken from the lock or fetched once.
    What is new, or changed, goes into `lock` (in memory) and is reported.

    Args:
        asset: what the suite names.
        folder: where its relative `file:` URIs start.
        lock: the suite's lock file.
        locked: refuse what the lock does not hold already.
        report: gets one line for each thing worth telling.

    Raises:
        DigestMismatchError: if the lock holds another digest and `locked` is set.
        AssetError: if there is no entry and `locked` is set, or the bytes cannot be had.
    """
    pinner = _Pinner(asset.name, folder, lock, locked, report)
    return dataclasses.replace(asset, sources=tuple(pinner.pin(each) for each in asset.sources))


@dataclasses.dataclass(frozen=True, slots=True)
class _Pinner:
    name: str
    folder: Path
    lock: Lock
    locked: bool
    report: Report

    def pin(self, source: Source) -> Source:
        written = fetch.places(source)[0][0]
        source = dataclasses.replace(
            source,
            uris=tuple(absolute_file(uri, self.folder) for uri in source.uris),
            parts=tuple(absolute_file(uri, self.folder) for uri in source.parts),
        )
        if source.sha256:
            return source
        key = key_of(written, self.folder)
        if _by_revision(source):
            return self._commit(source, key)
        found = None if _local(written) else self.lock.get(key)
        sha256 = found or self._settle(key, self._hash(source, key))
        return dataclasses.replace(source, sha256=sha256)

    def _commit(self, source: Source, key: str) -> Source:
        uri = pinned_uri(source.uris[0], self.lock.pins)
        if not _pinned(uri):
            self._refuse_new(key)
            uri = resolve_revision(uri)
            commit = uri.partition("#")[0].rpartition("@")[2]
            self._accept(key, commit)
        return dataclasses.replace(source, uris=(uri,), sha256=hub_identity(uri))

    def _hash(self, source: Source, key: str) -> str:
        """The digest of the bytes as they are now; what is fetched for it stays in the cache."""
        if not _local(key):
            self._refuse_new(key)
            self.report(f"{self.name}: fetching {redact(key)}")
        elif not all(Path(uri.removeprefix("file:")).exists() for uri in fetch.places(source)[0]):
            raise AssetError(f"{key}: there is no such file (looked in {self.folder})")
        if (uri := in_place(source)) is not None:
            fetch.check_kind(Path(uri.path), source)
            return digest(Path(uri.path))
        with cache.scratch() as scratch:
            content = fetch.fetch_source(source, fetch.places(source)[0], scratch)
            return add_to_cache(source, content)[0]

    def _settle(self, key: str, actual: str) -> str:
        """Compare with the lock, and take in what it does not hold."""
        expected = self.lock.get(key)
        if expected is None:
            self._refuse_new(key)
            self._accept(key, actual)
        elif actual != expected:
            if self.locked:
                raise DigestMismatchError(key, expected, actual)
            self.report(f"warning: {key} changed: sha256 was {expected}, is now {actual}")
            self.lock.set(key, actual)
        return actual

    def _refuse_new(self, key: str) -> None:
        if self.locked:
            raise AssetError(
                f"{redact(key)}: not in {self.lock.path.name}, and --locked allows nothing new"
            )

    def _accept(self, key: str, found: str) -> None:
        self.lock.set(key, found)
        self.report(f"{redact(key)} is pinned to {found}")


def _by_revision(source: Source) -> bool:
    alone = len(source.uris) == 1 and not source.parts and source.unpack is Unpack.NONE
    return alone and isinstance(parse(source.uris[0]), HubUri)


def _local(uri: str) -> bool:
    return uri.startswith("file:")


def _pinned(uri: str) -> bool:
    parsed = parse(uri)
    return isinstance(parsed, HubUri) and parsed.pinned
