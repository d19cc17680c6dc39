"""From an asset to verified local paths: the cache, then the mirrors, then the URIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from bench.assets import cache, fetch, hub, snapshot
from bench.assets.digests import digest
from bench.assets.safety import redact, safe_relative
from bench.assets.uri import FileUri, PackageUri, WebUri, parse
from bench.core.asset import Asset, Source, Unpack
from bench.core.errors import AssetError, DigestMismatchError

Report = Callable[[str], None]


def quiet(_line: str) -> None:
    """Report nothing."""


def resolve(asset: Asset, report: Report = quiet) -> dict[str, Path]:
    """A local path for each source (by `source.path`): a file, or a folder for trees.

    Fetches what the cache lacks.  Bytes are verified when they enter the cache; after
    that only their sizes are looked at (`verify` hashes again).  A `file:` source is
    used in place and hashed each time; a hub repository at a commit stays in the hub's
    own cache.

    Raises:
        ValueError: if a source is not pinned.
        AssetError: if the bytes cannot be had.
        DigestMismatchError: if they are not those that were promised.
    """
    if not asset.pinned:
        raise ValueError(f"asset {asset.name!r} is not pinned")
    return {source.path: _resolve(asset, source, report) for source in asset.sources}


def is_cached(asset: Asset) -> bool:
    """Whether `resolve` would find every source on this machine, mirrors aside."""
    return asset.pinned and all(_cached(source) for source in asset.sources)


def verify(asset: Asset) -> list[str]:
    """Hash again what is cached: one line per problem, none when all is well."""
    return [problem for source in asset.sources for problem in _problems(asset, source)]


def add_to_cache(source: Source, content: Path) -> tuple[str, Path]:
    """Move fetched `content` into the cache under the digest it has; returns both.

    Raises:
        AssetError: if it cannot be hashed or written.
    """
    sha256 = digest(content)
    return sha256, cache.enter(sha256, _name(source), content)


def in_place(source: Source) -> FileUri | None:
    """The `file:` URI of a source that is used where it stands."""
    if source.parts or len(source.uris) != 1 or source.unpack is not Unpack.NONE:
        return None
    uri = parse(source.uris[0])
    return uri if isinstance(uri, FileUri) else None


def _resolve(asset: Asset, source: Source, report: Report) -> Path:
    sha256 = _sha256(source)
    if (uri := in_place(source)) is not None:
        path = fetch.local_file(uri.path)
        fetch.check_kind(path, source)
        _check(str(uri), sha256, path)
        return path
    if hub.pinned_by_revision(source):
        return hub.fetch(hub.hub_uri(source.uris[0]), report)
    if (path_or_none := cache.lookup(sha256, _name(source), tree=source.tree)) is not None:
        return path_or_none
    if cache.damaged(sha256):
        report(f"{asset.name}: {source.path} is damaged in the cache and is fetched again")
    with cache.scratch() as folder:
        content = _from_mirrors(asset, source, folder, report)
        if content is None:
            content = _from_places(asset, source, folder, report)
        return cache.enter(sha256, _name(source), content)


def _from_places(asset: Asset, source: Source, folder: Path, report: Report) -> Path:
    failures: list[AssetError] = []
    for place in fetch.places(source):
        what = redact(place[0] if len(place) == 1 else f"{place[0]} and {len(place) - 1} more")
        report(f"{asset.name}: fetching {what}")
        try:
            content = fetch.fetch_source(source, place, folder)
        except AssetError as error:
            failures.append(error)
            report(f"{asset.name}: {error}")
            continue
        _check(f"{asset.name}: {what}", _sha256(source), content)
        return content
    reasons = "; ".join(str(failure) for failure in failures)
    raise AssetError(f"{asset.name}: {source.path} cannot be had: {reasons}") from failures[-1]


def _from_mirrors(asset: Asset, source: Source, folder: Path, report: Report) -> Path | None:
    """The first mirror that has the source gives it; wrong bytes there are an error."""
    for mirror in cache.mirrors():
        mismatch: DigestMismatchError | None = None
        for raw, as_is in _in_mirror(mirror, asset, source):
            content = _copied(raw[0], folder) if as_is else fetch.build(source, raw, folder)
            try:
                _check(str(raw[0]), _sha256(source), content)
            except DigestMismatchError as error:
                mismatch = error
                continue
            report(f"{asset.name}: {source.path} comes from the mirror {mirror}")
            return content
        if mismatch is not None:
            raise mismatch
    return None


def _in_mirror(mirror: Path, asset: Asset, source: Source) -> Iterator[tuple[list[Path], bool]]:
    """What a mirror may hold: the final form, or the packed files under the URIs' names."""
    try:
        folder = mirror / safe_relative(asset.name)
        final = folder / safe_relative(source.path)
    except AssetError:
        return  # a name that is no path (a URI, say) has no place in a mirror
    if final.exists() and final.is_dir() == source.tree:
        yield [final], True
    if source.unpack is Unpack.NONE and not source.parts:
        return
    for place in fetch.places(source):
        packed = [folder / name for name in map(_basename, place) if name]
        if len(packed) == len(place) and all(path.is_file() for path in packed):
            yield packed, False


def _basename(uri: str) -> str:
    parsed = parse(uri)
    if isinstance(parsed, WebUri):
        return parsed.basename if not parsed.member else PurePosixPath(parsed.member).name
    path = parsed.path if isinstance(parsed, FileUri | PackageUri) else uri.partition("#")[2]
    return PurePosixPath(path).name


def _copied(content: Path, folder: Path) -> Path:
    # As a source that needs no unpacking: a plain copy.
    return fetch.build(Source(content.name, tree=content.is_dir()), [content], folder)


def _check(what: str, expected: str, content: Path) -> None:
    if (actual := digest(content)) != expected:
        raise DigestMismatchError(what, expected, actual)


def _cached(source: Source) -> bool:
    if (uri := in_place(source)) is not None:
        return Path(uri.path).exists()
    if hub.pinned_by_revision(source):
        return snapshot.lookup(hub.hub_uri(source.uris[0])) is not None
    return cache.lookup(_sha256(source), _name(source), tree=source.tree) is not None


def _problems(asset: Asset, source: Source) -> list[str]:
    what = f"{asset.name}: {source.path}"
    if not source.sha256:
        return [f"{what}: not pinned"]
    if hub.pinned_by_revision(source):
        return snapshot.problems(hub.hub_uri(source.uris[0]))
    uri = in_place(source)
    if uri is not None:
        path = Path(uri.path)
    else:
        cache.lookup(source.sha256, _name(source), tree=source.tree)  # for a second name's sake
        path = cache.content_path(source.sha256, _name(source), tree=source.tree)
    if not path.exists():
        return [f"{what}: not in the cache" if uri is None else f"{what}: {uri} is missing"]
    try:
        _check(what, source.sha256, path)
    except AssetError as error:
        return [str(error)]
    return []


def _sha256(source: Source) -> str:
    if source.sha256 is None:
        raise ValueError(f"{source.path} is not pinned")
    return source.sha256


def _name(source: Source) -> str:
    """The file name kept in the cache, where its suffix may matter to readers."""
    name = safe_relative(source.path).name
    if name == cache.SIDECAR:
        raise AssetError(f"{source.path}: this name is the cache's own")
    return name
