"""A small server that speaks the hub's file API, for its unmodified client."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": b"weights" * 500,
    "1_Pooling/config.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_evil.py": b"raise SystemExit('code of the repository ran')",
}
REPOS = {
    "models/org/found": MODEL,
    "models/org/redirect": MODEL,
    "models/org/cut": MODEL,
    "models/org/empty": {"notes.md": b"nothing to read here"},
    "datasets/org/found": {"README.md": b"# card", "data/train.parquet": b"PAR1", "load.py": b"!"},
}


class Hub(BaseHTTPRequestHandler):
    """Repositories of `REPOS`; `org/gated` asks for a login, `org/broken` fails."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        self.server.asked.append(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path).strip("/")
        if path == "":
            return self.send(200)
        first, _, rest = path.partition("/")
        if first == "cdn":
            return self.content(REPOS["models/org/redirect"][rest])
        return self.api(rest) if first == "api" else self.resolve(path)

    def resolve(self, path):
        place, _, rest = path.partition("/resolve/")
        kind = "" if place.startswith("datasets/") else "models/"
        if (repo := self.repository(kind + place)) is None:
            return None
        revision, _, name = rest.partition("/")
        if revision not in {COMMIT, "main"}:
            return self.fail(404, "RevisionNotFound")
        if name not in repo:
            return self.fail(404, "EntryNotFound")
        return self.file(place, name, repo[name])

    def api(self, path):
        parts = path.split("/")
        if (repo := self.repository("/".join(parts[:3]))) is None:
            return None
        action, revision = parts[3] if len(parts) > 3 else "", parts[4] if len(parts) > 4 else ""
        if revision not in {"", COMMIT, "main"}:
            return self.fail(404, "RevisionNotFound")
        if action in {"", "revision"}:
            siblings = [{"rfilename": name} for name in repo]
            info = {"id": "/".join(parts[1:3]), "sha": COMMIT, "siblings": siblings}
            return self.json({**info, "private": False, "gated": False, "tags": []})
        files = [
            {"type": "file", "path": name, "size": len(data), "oid": etag(data)}
            for name, data in repo.items()
        ]
        return self.json(files)

    def repository(self, name):
        if name.endswith("/gated"):
            return self.fail(401, "GatedRepo")
        if name.endswith("/forbidden"):
            return self.fail(403, "")
        if name.endswith("/broken"):
            return self.fail(418, "")
        return REPOS[name] if name in REPOS else self.fail(404, "RepoNotFound")

    def file(self, place, name, data):
        if place.endswith("/redirect") and self.command == "GET":
            return self.send(302, Location=f"/cdn/{name}")
        if place.endswith("/cut") and name == "model.safetensors" and self.command == "GET":
            self.send(200, length=len(data), ETag=f'"{etag(data)}"')
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return None
        return self.content(data)

    def content(self, data):
        self.send(200, length=len(data), ETag=f'"{etag(data)}"')
        if self.command == "GET":
            self.wfile.write(data)

    def json(self, value):
        body = json.dumps(value).encode()
        self.send(200, length=len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def fail(self, status, code):
        self.send(status, **({"X-Error-Code": code} if code else {}))

    def send(self, status, length=0, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Repo-Commit", COMMIT)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_):
        pass


def etag(data: bytes) -> str:
    """git's name for a file, as the hub uses it."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
