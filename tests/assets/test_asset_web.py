from __future__ import annotations

import io
import socket
import zipfile

import pytest
from asset_kit import asset_of, sha256, tree_sha256

from bench.assets import resolve
from bench.assets import web as module
from bench.core.asset import Source
from bench.core.errors import AssetError

DATA = b"x" * 3000


def get(server, folder, path="/a.csv"):
    return module.download(server.url + path, folder / "got")


def test_a_file(web, tmp_path):
    web.pages["/a.csv"] = (200, {}, DATA)
    assert get(web, tmp_path).read_bytes() == DATA


def test_a_member_of_a_zip(web):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("r-main/recordings/a.wav", b"A")
        opened.writestr("r-main/README", b"no")
    web.pages["/a.zip"] = (200, {}, packed.getvalue())
    uri = f"{web.url}/a.zip#r-main/recordings/"
    source = Source("recordings", (uri,), tree_sha256({"a.wav": b"A"}), tree=True)
    assert (resolve(asset_of(source))["recordings"] / "a.wav").read_bytes() == b"A"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (404, "there is no such file"),
        (401, "it asks for a login"),
        (403, "access is refused"),
        (500, "the server cannot give it"),
    ],
)
def test_refusals(web, tmp_path, status, meaning):
    web.pages["/a.csv?token=hunter2"] = (status, {}, b"hunter2")
    with pytest.raises(AssetError, match=rf"{meaning} \(HTTP {status}\)") as caught:
        get(web, tmp_path, "/a.csv?token=hunter2")
    assert "hunter2" not in str(caught.value)


def test_truncated(web, tmp_path):
    web.pages["/a.csv"] = (200, {"Content-Length": "5000"}, DATA)
    with pytest.raises(AssetError, match=r"truncated: 3,000 of 5,000 bytes|broke off"):
        get(web, tmp_path)


def test_a_truncated_file_does_not_enter_the_cache(web, cache):
    web.pages["/a.csv"] = (200, {"Content-Length": "5000"}, DATA)
    with pytest.raises(AssetError, match="cannot be had"):
        resolve(asset_of(Source("a.csv", (f"{web.url}/a.csv",), sha256(DATA))))
    assert list((cache / "assets").iterdir()) == []


def test_too_large(web, tmp_path):
    web.pages["/a.csv"] = (200, {}, DATA)
    web.pages["/b.csv"] = (200, {"Content-Length": "none"}, DATA)
    for path in ("/a.csv", "/b.csv"):
        with pytest.raises(AssetError, match="the limit of 100"):
            module.download(web.url + path, tmp_path / path.strip("/"), limit=100)


def test_redirects(web, tmp_path):
    web.pages["/a.csv"] = (302, {"Location": "/b.csv"}, b"")
    web.pages["/b.csv"] = (200, {}, DATA)
    assert get(web, tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("target", ["http://example.org/a", "ftp://example.org/a", "file:///etc/x"])
def test_redirects_without_https_are_refused(web, tmp_path, target):
    web.pages["/a.csv"] = (302, {"Location": target}, b"")
    with pytest.raises(AssetError, match="redirects"):
        get(web, tmp_path)


def test_unreachable(tmp_path):
    with socket.socket() as closed:  # bound, not listening: nobody else gets the port
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a"
        with pytest.raises(AssetError, match=r"cannot be reached: .*refused"):
            module.download(url, tmp_path / "got")


def test_tls_and_silence(web, tmp_path, monkeypatch):
    with pytest.raises(AssetError, match="TLS failed"):
        module.download(web.url.replace("http", "https") + "/a", tmp_path / "a")
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(AssetError, match="no answer within"):
            module.download(f"http://127.0.0.1:{silent.getsockname()[1]}/", tmp_path / "b")


def test_a_full_disk(web, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    web.pages["/a.csv"] = (200, {}, DATA)
    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(AssetError, match="no space left"):
        module.download(web.url + "/a.csv", tmp_path / "a")
