"""Repositories of the hub, through its own client, cache and login."""

from __future__ import annotations

import hashlib
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.assets import snapshot
from bench.assets.safety import redact
from bench.assets.uri import HubUri, parse
from bench.core.asset import Source
from bench.core.errors import AssetError

PROBE_SECONDS = 4.0  # the client itself tries for 23 s before it gives up

_LOGIN = "log in (`hf auth login`, or HF_TOKEN)"


def hub_uri(uri: str) -> HubUri:
    """Read a `hub:` URI.

    Raises:
        AssetError: if it is malformed or another kind of URI.
    """
    parsed = parse(uri)
    if not isinstance(parsed, HubUri):
        raise AssetError(f"{redact(uri)}: a hub: URI is needed here")
    return parsed


def hub_identity(uri: str) -> str:
    """The digest that stands for a repository at a commit: sha256 of `models/ORG/NAME@COMMIT`.

    A commit hash names its content already, and the hub's client checks the files
    against it; so such a source is not hashed again and stays in the hub's own cache.

    Raises:
        AssetError: if the URI is malformed or its revision is not a full commit hash.
    """
    parsed = hub_uri(uri)
    if not parsed.pinned:
        raise AssetError(f"{uri}: the revision is not a full commit hash (40 hex digits)")
    return hashlib.sha256(str(parsed).removeprefix("hub:").encode()).hexdigest()


def pinned_by_revision(source: Source) -> bool:
    """Whether the source is a hub repository whose digest is its `hub_identity`."""
    if len(source.uris) != 1 or source.parts or not source.uris[0].startswith("hub:"):
        return False
    parsed = hub_uri(source.uris[0])
    return parsed.pinned and source.sha256 == hub_identity(source.uris[0])


def resolve_revision(uri: str) -> str:
    """`uri` with its branch, tag or missing revision replaced by the commit it is now.

    Raises:
        AssetError: if the hub cannot be reached or has no such repository or revision.
    """
    parsed = hub_uri(uri)
    if parsed.pinned:
        return uri
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise AssetError(f"{uri}: HF_HUB_OFFLINE is set, so its commit cannot be asked for")
    _probe(parsed)
    with _explained(parsed):
        info = HfApi().repo_info(
            parsed.repo, repo_type=parsed.kind.removesuffix("s"), revision=parsed.revision or None
        )
    found = replace(parsed, revision=str(info.sha))
    if not found.pinned:
        raise AssetError(f"{uri}: the hub names no commit for it")
    return str(found)


def fetch(uri: HubUri, report: Callable[[str], None] | None = None) -> Path:
    """The snapshot folder, or the one file, in the hub's own cache.

    A snapshot that was fetched whole before is used without asking the hub.

    Raises:
        AssetError: in one sentence, within 5 s where the hub cannot be reached.
    """
    from huggingface_hub import constants

    if (whole := snapshot.lookup(uri)) is not None:
        return whole
    say = report or (lambda _: None)
    if not constants.HF_HUB_OFFLINE:
        try:
            _probe(uri)
        except AssetError as error:
            # What is there was put there by another program: no one can say now whether
            # it is whole, but an incomplete model does not load, and the client (2.x)
            # itself refuses a snapshot that it knows to be partial.
            if uri.pinned and (found := _local(uri)) is not None:
                say(f"{error}; what the hub's local cache has is used, whole or not")
                return found
            raise
    elif (found := _local(uri)) is not None:
        return found
    else:
        raise AssetError(f"{uri}: not in the hub's local cache, and HF_HUB_OFFLINE is set")
    say(f"fetching {uri}")
    with _explained(uri):
        path = _client(uri, local_files_only=False)
    snapshot.remember(uri, path)
    return path


def copy(uri: HubUri, content: Path, target: Path) -> Path:
    """A plain copy of the wanted files of a snapshot (which consists of links to blobs).

    Raises:
        AssetError: if a file cannot be copied.
    """
    try:
        if content.is_file():
            return Path(shutil.copyfile(content, target))
        for name, path in snapshot.wanted_files(uri, content).items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    except OSError as error:
        raise AssetError(f"{uri}: cannot be copied: {error.strerror}") from error
    return target


def _local(uri: HubUri) -> Path | None:
    try:
        return _client(uri, local_files_only=True)
    except (OSError, ValueError):  # LocalEntryNotFoundError and IncompleteSnapshotError
        return None


def _client(uri: HubUri, *, local_files_only: bool) -> Path:
    from huggingface_hub import hf_hub_download, snapshot_download

    common: dict[str, Any] = {
        "repo_type": uri.kind.removesuffix("s"),
        "revision": uri.revision or None,
        "local_files_only": local_files_only,
    }
    if uri.file:
        return Path(hf_hub_download(uri.repo, uri.file, **common))
    folder = Path(
        snapshot_download(
            uri.repo,
            allow_patterns=snapshot.allowed(uri),
            ignore_patterns=list(snapshot.REFUSED),
            **common,
        )
    )
    if not snapshot.wanted_files(uri, folder):
        raise AssetError(f"{uri}: the repository has no file of a kind that is read here")
    return folder


def _probe(uri: HubUri) -> None:
    """Ask the hub for anything at all; it has `PROBE_SECONDS` to answer, name look-up included."""
    from huggingface_hub import constants

    endpoint, failures = constants.ENDPOINT, ["no answer"]

    def ask() -> None:
        request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 -- the hub's own
        try:
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()  # noqa: S310
        except urllib.error.HTTPError as error:
            error.close()  # an answer is an answer
        except (OSError, ValueError) as error:
            failures[0] = redact(str(getattr(error, "reason", error)))
            return
        failures.clear()

    # A thread, since looking up a name takes no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if failures:
        raise AssetError(
            f"{uri} cannot be reached at {redact(endpoint)} ({failures[0]}); "
            "use the hub's local cache, HF_ENDPOINT, or BENCH_MIRROR where the asset has a sha256"
        )


@contextmanager
def _explained(uri: HubUri) -> Iterator[None]:
    """Turn what the hub's client raises into one sentence."""
    from huggingface_hub import errors

    try:
        yield
    except AssetError:
        raise
    except Exception as error:
        # The client lets its transport's errors through, and which library that is
        # changes with its version; all of them mean that the bytes did not come.
        wrapped = isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__
        told = wrapped if isinstance(wrapped, errors.HfHubHTTPError) else error
        raise AssetError(f"{uri}: {_sentence(uri, told, errors)}") from error


def _sentence(uri: HubUri, error: Exception, errors: Any) -> str:
    # In this order: some of these errors are kinds of later ones.
    meanings = {
        errors.GatedRepoError: f"gated: accept the terms on its page, then {_LOGIN}",
        errors.RevisionNotFoundError: f"the repository has no revision {uri.revision!r}",
        errors.RepositoryNotFoundError: (
            f"no such repository, or a private one: check its name, or {_LOGIN}"
        ),
        errors.LocalEntryNotFoundError: f"the hub stopped answering: {_line(error)}",
        errors.EntryNotFoundError: f"the repository has no file {uri.file!r} at this revision",
    }
    for kind, meaning in meanings.items():
        if isinstance(error, kind):
            return meaning
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        return f"the hub answered {status}" + (f"; {_LOGIN}" if status in {401, 403} else "")
    return f"the download failed or was cut short: {_line(error)}"


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redact(lines[0])
