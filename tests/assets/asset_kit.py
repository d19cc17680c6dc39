"""What the asset tests share: digests worked out another way, and servers on loopback."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.core.asset import Asset, Source


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tree_sha256(files: dict[str, bytes]) -> str:
    return sha256("".join(sorted(f"{sha256(b)}  {n}\n" for n, b in files.items())).encode())


def asset_of(*sources: Source, name: str = "thing") -> Asset:
    return Asset(name=name, sources=sources, license="test")


class Pages(BaseHTTPRequestHandler):
    """Answers from `server.pages`: path -> (status, headers, body)."""

    def do_GET(self):
        self.server.asked.append(self.path)
        status, headers, body = self.server.pages.get(self.path, (404, {}, b"nothing"))
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving(handler):
    """A server on a free loopback port, in a thread, with a log of what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.pages, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
