from __future__ import annotations

import gzip
import tomllib
from dataclasses import replace

import pytest
from asset_kit import asset_of, sha256, tree_sha256
from hypothesis import given
from hypothesis import strategies as st

from bench.assets import Lock, hub_identity, is_cached, pin, pinned_digest, pinned_uri, resolve
from bench.core.asset import Source, Unpack
from bench.core.errors import AssetError, DigestMismatchError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLD, NEW = b"a,b\n1,2\n", b"a,b\n1,3\n"


@pytest.fixture
def own(tmp_path):
    """A suite's folder with the user's table, and its empty lock."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "t.csv").write_bytes(OLD)
    return Lock.beside(tmp_path / "suite" / "mine.toml")


def table(uri="file:t.csv", **rest):
    return asset_of(Source("data.csv", (uri,), **rest))


def test_first_use_then_no_change(own):
    folder, said = own.path.parent, []
    pinned = pin(table(), folder, own, report=said.append)
    assert pinned.pinned
    assert resolve(pinned) == {"data.csv": folder / "t.csv"}
    assert own.pins == {"file:t.csv": sha256(OLD)}
    assert said == [f"file:t.csv is pinned to {sha256(OLD)}"]
    assert own.changed
    own.save()
    assert own.path.name == "mine.lock"
    text = own.path.read_text()
    assert text.startswith("# Written by bench")
    assert str(folder) not in text
    assert tomllib.loads(text) == {"schema": 1, "pins": {"file:t.csv": sha256(OLD)}}

    again, said, stamp = Lock.read(own.path), [], own.path.stat()
    assert pin(table(), folder, again, locked=True, report=said.append) == pinned
    again.save()
    assert said == []
    assert own.path.stat() == stamp
    assert [p.name for p in folder.iterdir()] in (["t.csv", "mine.lock"], ["mine.lock", "t.csv"])


def test_changed_bytes_warn_or_are_refused(own):
    folder, said = own.path.parent, []
    pin(table(), folder, own)
    (folder / "t.csv").write_bytes(NEW)
    with pytest.raises(DigestMismatchError) as caught:
        pin(table(), folder, own, locked=True)
    assert sha256(OLD) in str(caught.value)
    assert sha256(NEW) in str(caught.value)
    assert own.pins == {"file:t.csv": sha256(OLD)}
    pinned = pin(table(), folder, own, report=said.append)
    assert said[0].startswith("warning: file:t.csv changed")
    assert sha256(OLD) in said[0]
    assert own.pins == {"file:t.csv": sha256(NEW)}
    assert pinned.sources[0].sha256 == sha256(NEW)


def test_locked_takes_nothing_new(own):
    for uri in ("file:t.csv", "pypi:a==1#b", "hub:models/a/b"):
        with pytest.raises(AssetError, match=r"not in mine\.lock, and --locked allows nothing new"):
            pin(table(uri), own.path.parent, own, locked=True)
    assert not own.changed


def test_a_missing_file_is_named_as_the_user_wrote_it(own):
    with pytest.raises(AssetError, match=r"file:none/x\.csv: there is no such file"):
        pin(table("file:none/x.csv"), own.path.parent, own)
    with pytest.raises(AssetError, match="a folder came where a file was promised"):
        pin(table("file:."), own.path.parent, own)


def test_a_path_inside_the_folder_is_kept_relative(own):
    folder = own.path.parent
    pin(table(f"file:{folder}/t.csv"), folder, own)
    pin(table("file:./t.csv"), folder, own, locked=True)
    assert list(own.pins) == ["file:t.csv"]
    assert pinned_digest("file:./t.csv", own.pins) == sha256(OLD)
    absolute = f"file:{own.path.parent / 't.csv'}"
    assert pinned_digest(absolute, own.pins, own.path.parent) == sha256(OLD)
    pin(table("file:../suite/t.csv"), folder, own)
    assert list(own.pins) == ["file:t.csv"]
    assert pinned_digest("file:../suite/t.csv", own.pins, folder) == sha256(OLD)


def test_folders_and_packed_files(own):
    folder = own.path.parent
    (folder / "f").mkdir()
    (folder / "f" / "a").write_bytes(b"A")
    (folder / "t.csv.gz").write_bytes(gzip.compress(OLD))
    asset = asset_of(
        Source("f", ("file:f/",), tree=True),
        Source("data.csv", ("file:t.csv.gz",), unpack=Unpack.GZIP),
    )
    pinned = pin(asset, folder, own)
    assert [s.sha256 for s in pinned.sources] == [tree_sha256({"a": b"A"}), sha256(OLD)]
    paths = resolve(pinned)
    assert paths["f"] == folder / "f"
    assert paths["data.csv"].read_bytes() == OLD
    # a packed file is looked at anew as well: the cache still has the old bytes
    (folder / "t.csv.gz").write_bytes(gzip.compress(NEW))
    with pytest.raises(DigestMismatchError):
        pin(asset, folder, own, locked=True)


def test_what_is_fetched_once_is_taken_from_the_lock(own, web):
    web.pages["/a.csv"] = (200, {}, OLD)
    asset, said = table(f"{web.url}/a.csv"), []
    pinned = pin(asset, own.path.parent, own, report=said.append)
    assert is_cached(pinned)
    assert len(said) == 2
    assert resolve(pinned)["data.csv"].read_bytes() == OLD
    assert pin(asset, own.path.parent, own, locked=True) == pinned
    assert web.asked == ["/a.csv"]


def test_a_source_that_changed_after_it_was_locked(own, web):
    web.pages["/a.csv"] = (200, {}, NEW)
    own.set(f"{web.url}/a.csv", sha256(OLD))
    pinned = pin(table(f"{web.url}/a.csv"), own.path.parent, own)
    with pytest.raises(DigestMismatchError, match=sha256(NEW)):
        resolve(pinned)


def test_a_pinned_source_needs_no_lock(own):
    asset = table(sha256=sha256(b"whatever"))
    pinned = pin(asset, own.path.parent, own, locked=True)
    absolute = (f"file:{own.path.parent / 't.csv'}",)
    assert pinned.sources == (replace(asset.sources[0], uris=absolute),)
    assert own.pins == {}


def test_hub_repositories_are_pinned_by_commit(own):
    at_commit = f"hub:models/org/name@{COMMIT}"
    (source,) = pin(table(at_commit), own.path.parent, own, locked=True).sources
    assert source.sha256 == hub_identity(at_commit) == pinned_digest(at_commit, {})
    own.set("hub:models/org/name@main", COMMIT)
    branch = table("hub:models/org/name@main")
    (source,) = pin(branch, own.path.parent, own, locked=True).sources
    assert source.uris == (at_commit,)
    assert source.sha256 == hub_identity(at_commit)
    assert pinned_uri("hub:models/org/name@main", own.pins) == at_commit
    assert pinned_digest("hub:models/org/name@main", own.pins) == hub_identity(at_commit)
    assert pinned_digest("hub:models/org/name", own.pins) is None
    assert hub_identity(at_commit) == sha256(f"models/org/name@{COMMIT}".encode())
    assert hub_identity(at_commit) != hub_identity(at_commit + "#config.json")
    with pytest.raises(AssetError, match="not a full commit hash"):
        hub_identity("hub:models/org/name@main")
    with pytest.raises(AssetError, match="a hub: URI is needed"):
        hub_identity("pypi:a==1#b")


@given(st.dictionaries(st.text(min_size=1), st.sampled_from(["a" * 64, "b" * 40]), max_size=5))
def test_any_file_name_survives(tmp_path_factory, names):
    lock = Lock(tmp_path_factory.mktemp("lock") / "x.lock")
    for name, digest in names.items():
        if "\0" not in name and not name.startswith("//"):
            lock.set(f"file:{name}", digest)
    lock.save()
    assert Lock.read(lock.path).pins == lock.pins
    with pytest.raises(ValueError, match="not a digest"):
        lock.set("file:a", "main")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not toml", "not a lock file"),
        ("", "no schema number"),
        ("schema = 'x'", "no schema number"),
        ("schema = 99", "schema 99 is newer than 1"),
        ("schema = 1\npins = 3", "not a table"),
        ("schema = 1\n[pins]\n'https://u:hunter2@a/' = 'x'", "is not a digest"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_damaged_lock_is_named(tmp_path, text, why):
    path = tmp_path / "x.lock"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AssetError, match=why) as caught:
        Lock.read(path)
    assert "x.lock" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_lock_that_cannot_be_written(tmp_path):
    lock = Lock.read(tmp_path / "none" / "x.lock")
    lock.save()  # nothing to write, nothing wrong
    lock.set("file:a", "a" * 64)
    with pytest.raises(AssetError, match=r"x\.lock: cannot be written"):
        lock.save()
    (tmp_path / "x.lock").mkdir()
    lock.path = tmp_path / "x.lock"
    with pytest.raises(AssetError, match=r"x\.lock: cannot be written"):
        lock.save()
    assert [p.name for p in tmp_path.iterdir()] == ["x.lock"]
