"""A cache of its own for each test, wheels made here, and a web server on loopback."""

from __future__ import annotations

import zipfile

import pytest
from asset_kit import Pages, serving

from bench.assets import wheels


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder of this test; no mirror, and no wheel left from another test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BENCH_CACHE", str(folder))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    wheels._store.cache_clear()
    yield folder
    wheels._store.cache_clear()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Make wheels that pip finds in a folder; no index is asked."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def make(name: str, version: str, files: dict[str, bytes]):
        path = folder / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        texts = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
        with zipfile.ZipFile(path, "w") as wheel:
            for member, content in {**files, **texts}.items():
                wheel.writestr(member, content)
        return path

    return make


@pytest.fixture
def web():
    """`web.pages["/path"] = (status, headers, body)` is what it answers."""
    with serving(Pages) as server:
        yield server
