"""Every outside byte: from an asset's URIs and digests to verified local paths."""

from bench.assets.cache import cache_folder, mirrors
from bench.assets.digests import digest_file, digest_tree
from bench.assets.hub import hub_identity, resolve_revision
from bench.assets.lock import Lock, pinned_digest, pinned_uri
from bench.assets.pin import pin
from bench.assets.resolve import is_cached, quiet, resolve, verify
from bench.assets.uri import Uri, absolute_file, file_path, parse

__all__ = [
    "Lock",
    "Uri",
    "absolute_file",
    "cache_folder",
    "digest_file",
    "digest_tree",
    "file_path",
    "hub_identity",
    "is_cached",
    "mirrors",
    "parse",
    "pin",
    "pinned_digest",
    "pinned_uri",
    "quiet",
    "resolve",
    "resolve_revision",
    "verify",
]
