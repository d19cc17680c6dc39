"""Files over https, streamed to disk."""

from __future__ import annotations

import errno
import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from bench.assets.safety import redact
from bench.assets.uri import is_loopback
from bench.core.errors import AssetError

MAX_BYTES = 4 << 30
TIMEOUT_SECONDS = 30.0  # without a byte
_CHUNK = 1 << 20
_MEANINGS = {
    401: "it asks for a login",
    403: "access is refused",
    404: "there is no such file",
    410: "the file is gone",
    429: "too many requests; try again later",
}


def download(url: str, target: Path, *, limit: int = MAX_BYTES) -> Path:
    """Write what `url` gives to `target` and return it.

    Raises:
        AssetError: if the server cannot be reached, refuses, redirects to an unsafe
            address, sends less than it promised or more than `limit` bytes.
    """
    shown = redact(url)
    handlers: list[Any] = [_SafeRedirects]
    if is_loopback(urlsplit(url).hostname):
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy reaches this machine
    request = urllib.request.Request(url, headers={"User-Agent": "adaptbench"})  # noqa: S310 -- parsed
    try:
        with (
            urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_SECONDS) as reply,
            target.open("xb") as out,
        ):
            _copy(reply, out, shown, limit)
    except urllib.error.HTTPError as error:
        error.close()
        redirected = error.code < 400  # in a circle, or to something that urllib itself refuses
        other = "it redirects where it must not" if redirected else "the server cannot give it"
        meaning = _MEANINGS.get(error.code, other)
        raise AssetError(f"{shown}: {meaning} (HTTP {error.code})") from error
    except http.client.HTTPException as error:
        raise AssetError(f"{shown}: the transfer broke off: {type(error).__name__}") from error
    except OSError as error:  # URLError, timeouts, resets, a full disk
        raise AssetError(f"{shown}: {_cause(error)}") from error
    return target


def _copy(reply: http.client.HTTPResponse, out: IO[bytes], shown: str, limit: int) -> None:
    header = reply.headers.get("Content-Length", "")
    promised = int(header) if header.isdecimal() else None
    if promised is not None and promised > limit:
        raise AssetError(f"{shown}: {promised:,} bytes are more than the limit of {limit:,}")
    received = 0
    while chunk := reply.read(_CHUNK):
        received += len(chunk)
        if received > limit:
            raise AssetError(f"{shown}: more than the limit of {limit:,} bytes")
        out.write(chunk)
    if promised is not None and received != promised:
        raise AssetError(f"{shown}: truncated: {received:,} of {promised:,} bytes came; try again")


def _cause(error: OSError) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, OSError) and reason.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "no space left to keep it"
    if isinstance(reason, ssl.SSLError):
        return f"TLS failed: {redact(str(reason.reason or reason))}"
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    return f"cannot be reached: {redact(str(reason))}"


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and on this machine itself; to nothing else."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        new, old = urlsplit(newurl), urlsplit(req.full_url)
        local = new.scheme == "http" and is_loopback(new.hostname) and is_loopback(old.hostname)
        if new.scheme != "https" and not local:
            fp.close()
            raise AssetError(f"{redact(req.full_url)}: it redirects to an address without https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
