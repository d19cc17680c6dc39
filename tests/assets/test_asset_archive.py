from __future__ import annotations

import bz2
import gzip
import io
import os
import stat
import tarfile
import zipfile

import pytest
from asset_kit import sha256, tree_sha256
from hypothesis import given
from hypothesis import strategies as st

from bench.assets import archive, digest_file, digest_tree
from bench.core.asset import Unpack
from bench.core.errors import AssetError


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def escaped(tmp_path):
    """Everything below tmp_path; a test compares before and after."""
    return {path for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("how", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)])
def test_one_compressed_file(tmp_path, how, pack):
    (tmp_path / "a.x").write_bytes(pack(b"text" * 100))
    target = archive.unpack(tmp_path / "a.x", Unpack(how), tmp_path / "out")
    assert target.read_bytes() == b"text" * 100
    (tmp_path / "a.x").write_bytes(pack(b"text" * 100)[:-9])
    with pytest.raises(AssetError, match=r"a\.x: cannot be unpacked"):
        archive.unpack(tmp_path / "a.x", Unpack(how), tmp_path / "out2")
    (tmp_path / "a.x").write_bytes(b"plain text")
    with pytest.raises(AssetError, match=r"a\.x: cannot be unpacked"):
        archive.unpack(tmp_path / "a.x", Unpack(how), tmp_path / "out3")


def test_nothing_to_unpack(tmp_path):
    assert archive.unpack(tmp_path, Unpack.NONE, tmp_path / "out") == tmp_path


def test_a_member_a_folder_or_all_of_a_zip(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"m/a.txt": b"A", "m/s/b.txt": b"B", "mm/c.txt": b"C"})
    assert archive.unpack(path, Unpack.ZIP, tmp_path / "1", member="m/a.txt").read_bytes() == b"A"
    folder = archive.unpack(path, Unpack.ZIP, tmp_path / "2", member="m/")
    assert digest_tree(folder) == tree_sha256({"a.txt": b"A", "s/b.txt": b"B"})
    whole = archive.extract(path, "", tmp_path / "3")
    assert (whole / "mm" / "c.txt").read_bytes() == b"C"
    with pytest.raises(AssetError, match=r"a\.zip: it has no member 'm/none'"):
        archive.extract(path, "m/none", tmp_path / "4")


def test_parts_are_joined_in_order(tmp_path):
    whole = zip_of(tmp_path / "whole.zip", {"m/a.txt": os.urandom(3000)}).read_bytes()
    parts = []
    for i in range(3):
        parts.append(tmp_path / f"part{i}")
        parts[-1].write_bytes(whole[i * 1100 : (i + 1) * 1100])
    joined = archive.join(parts, tmp_path / "joined")
    assert joined.read_bytes() == whole
    with pytest.raises(AssetError, match="cannot be unpacked"):
        archive.join([tmp_path / "absent"], tmp_path / "j2")
    archive.join([parts[1], parts[0], parts[2]], tmp_path / "wrong")
    with pytest.raises(AssetError):
        archive.extract(tmp_path / "wrong", "m/", tmp_path / "out")


@pytest.mark.fault(37, "paths out of an archive")
@pytest.mark.parametrize(
    "name", ["../evil", "m/../../evil", "/evil", "C:/evil", "m\\..\\evil", "a/./b", "m/e\nvil"]
)
def test_zip_slip_is_refused(tmp_path, name):
    path = zip_of(tmp_path / "a.zip", {name: b"evil"})
    before = escaped(tmp_path)
    for member in ("", name):
        with pytest.raises(AssetError, match="unsafe path"):
            archive.extract(path, member, tmp_path / "in" / "out")
    assert escaped(tmp_path) == before


@pytest.mark.fault(37, "paths out of an archive")
def test_a_name_with_nul_is_refused(tmp_path):
    data = zip_of(tmp_path / "a.zip", {"evil.txt#": b"x"}).read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"evil.txt#", b"evil\0txt#"))
    with pytest.raises(AssetError):
        archive.extract(tmp_path / "a.zip", "", tmp_path / "out")


@pytest.mark.fault(37, "paths out of an archive")
@given(name=st.text(min_size=1, max_size=10))
def test_no_name_writes_outside(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("zip")
    path = zip_of(root / "a.zip", {name: b"x"})
    try:
        archive.extract(path, "", root / "in" / "out")
    except AssetError:
        assert escaped(root) == {path}
    else:
        assert all(p == path or p.is_relative_to(root / "in" / "out") for p in escaped(root))


@pytest.mark.fault(37, "paths out of an archive")
@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("m/link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(AssetError, match="a link or a device"):
        archive.extract(tmp_path / "a.zip", "m/", tmp_path / "out")


@pytest.mark.fault(37, "paths out of an archive")
def test_two_members_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("a", "2")
    with pytest.raises(AssetError, match="two members"):
        archive.extract(tmp_path / "a.zip", "", tmp_path / "out")


@pytest.mark.fault(37, "paths out of an archive")
def test_a_file_that_is_also_a_folder_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises(AssetError, match="cannot be unpacked"):
        archive.extract(path, "", tmp_path / "out")


@pytest.mark.fault(37, "archives that are too large")
@pytest.mark.parametrize("how", ["gzip", "zip"])
def test_a_bomb_is_refused_early(tmp_path, how, monkeypatch):
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    zeros = bytes(20 << 20)
    if how == "gzip":
        (tmp_path / "bomb").write_bytes(gzip.compress(zeros))
    else:
        zip_of(tmp_path / "bomb", {"a": zeros})
    with pytest.raises(AssetError, match="zip bomb"):
        archive.unpack(tmp_path / "bomb", Unpack(how), tmp_path / "out")
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert written < 8 << 20  # no more than 200 times the 20 kB


@pytest.mark.fault(37, "archives that are too large")
def test_many_members_share_one_limit(tmp_path):
    path = zip_of(tmp_path / "a.zip", {f"{i}": os.urandom(1000) for i in range(10)})
    with pytest.raises(AssetError, match=r"more than 5,000 bytes"):
        archive.extract(path, "", tmp_path / "out", limit=5000)
    archive.extract(path, "", tmp_path / "out2", limit=10_000)


@pytest.mark.fault(37, "archives that are too large")
def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    path = zip_of(tmp_path / "a.zip", {"1": b"", "2": b"", "3": b""})
    with pytest.raises(AssetError, match="more than 2 members"):
        archive.extract(path, "", tmp_path / "out")


def test_damage_is_named(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": os.urandom(5000)})
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match=r"a\.zip: cannot be unpacked: Bad CRC"):
        archive.extract(path, "a", tmp_path / "out")


def test_tree_digest(tmp_path):
    files = {"b.txt": b"1", "a/c.txt": b"2", "a/d e.txt": b"1"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert digest_tree(tmp_path) == tree_sha256(files)
    assert digest_file(tmp_path / "b.txt") == sha256(b"1")
    (tmp_path / "link").symlink_to("b.txt")
    assert digest_tree(tmp_path) == tree_sha256({**files, "link": b"1"})


@pytest.mark.fault(37, "paths out of an archive")
@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "nowhere", "folder", ".."])
def test_links_that_leave_or_lead_nowhere(tmp_path, target):
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "in" / "folder").mkdir(parents=True)
    (tmp_path / "in" / "a").write_text("a")
    (tmp_path / "in" / "link").symlink_to(target)
    with pytest.raises(AssetError, match="a link"):
        digest_tree(tmp_path / "in")


def test_what_a_tree_may_not_hold(tmp_path):
    with pytest.raises(AssetError, match="holds no files"):
        digest_tree(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AssetError, match="neither a file nor a folder"):
        digest_tree(tmp_path)
    (tmp_path / "pipe").unlink()
    (tmp_path / "a\nb").write_text("x")
    with pytest.raises(AssetError, match="no name for a file"):
        digest_tree(tmp_path)
    with pytest.raises(AssetError, match="cannot be read"):
        digest_tree(tmp_path / "absent")
    with pytest.raises(AssetError, match="cannot be read"):
        digest_file(tmp_path / "absent")


@pytest.mark.fault(37, "names in an archive that no encoding reads")
def test_a_name_that_is_no_text_is_refused(tmp_path):
    """Found by fuzzing: the flag says UTF-8, the bytes do not."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("m/é.txt", b"x")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xb6\xb6"))
    with pytest.raises(AssetError, match="cannot be unpacked"):
        archive.extract(path, "", tmp_path / "out")


def sdist_of(path, members):
    """A .tar.gz of (name, content), or of a TarInfo, one after another."""
    with tarfile.open(path, "w:gz") as opened:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return path


def test_a_member_or_a_folder_of_a_source_distribution(tmp_path):
    members = [("p-1/p/a.txt", b"A"), ("p-1/p/s/b.txt", b"B"), ("p-1/setup.py", b"raise")]
    path = sdist_of(tmp_path / "p-1.tar.gz", members)
    for at in "123":
        (tmp_path / at).mkdir()
    assert archive.extract_sdist(path, "p/a.txt", tmp_path / "1" / "out").read_bytes() == b"A"
    folder = archive.extract_sdist(path, "p/", tmp_path / "2" / "out")
    assert digest_tree(folder) == tree_sha256({"a.txt": b"A", "s/b.txt": b"B"})
    with pytest.raises(AssetError, match=r"p-1\.tar\.gz: it has no member 'p/none'"):
        archive.extract_sdist(path, "p/none", tmp_path / "3" / "out")


@pytest.mark.fault(37, "paths out of an archive")
@pytest.mark.parametrize("name", ["p-1/p/../../../evil", "../p/evil", "/p/evil", "p-1/p/e\nvil"])
def test_tar_slip_is_refused(tmp_path, name):
    path = sdist_of(tmp_path / "p-1.tar.gz", [(name, b"evil")])
    (tmp_path / "in").mkdir()
    member = name.partition("/")[2]
    for wanted in ("p/", member):
        with pytest.raises(AssetError, match=r"unsafe path|no member"):
            archive.extract_sdist(path, wanted, tmp_path / "in" / "out")
        (tmp_path / "in" / "sdist.tar").unlink()
    assert escaped(tmp_path) == {path}


@pytest.mark.fault(37, "paths out of an archive")
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("p-1/p/link")
    info.type, info.linkname = kind, "/etc/passwd"
    path = sdist_of(tmp_path / "p-1.tar.gz", [(info, b"")])
    with pytest.raises(AssetError, match="a link or a device"):
        archive.extract_sdist(path, "p/link", tmp_path / "out")


def test_a_damaged_or_doubled_tar_is_refused(tmp_path):
    twice = sdist_of(tmp_path / "twice.tar.gz", [("p/a", b"1"), ("p/a", b"2")])
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(gzip.compress(b"no tar at all" * 100))
    for path, match in ((twice, "two members"), (broken, "cannot be unpacked")):
        (tmp_path / path.stem).mkdir()
        with pytest.raises(AssetError, match=match):
            archive.extract_sdist(path, "a", tmp_path / path.stem / "out")


@pytest.mark.fault(37, "archives that are too large")
def test_a_bomb_of_a_tar_is_refused_early(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    path = sdist_of(tmp_path / "p-1.tar.gz", [("p-1/a", bytes(20 << 20))])
    with pytest.raises(AssetError, match="zip bomb"):
        archive.extract_sdist(path, "a", tmp_path / "out")
