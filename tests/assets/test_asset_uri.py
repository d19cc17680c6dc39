from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.assets import absolute_file, file_path, parse
from bench.assets.safety import redact, safe_relative
from bench.assets.uri import FileUri, HubUri, PackageUri, PypiUri, WebUri, normal
from bench.core.errors import AssetError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
PART = st.text(string.ascii_letters + string.digits + " _-+=@,", min_size=1, max_size=8)
PATH = st.lists(PART, min_size=1, max_size=4).map("/".join)
FOLDER_OR_FILE = st.tuples(PATH, st.sampled_from(["", "/"])).map("".join)
REPO = st.tuples(WORD, WORD).map("/".join)
REVISION = st.one_of(st.just(""), st.just(COMMIT), WORD)
HUB = st.builds(HubUri, st.sampled_from(["models", "datasets"]), REPO, REVISION, st.just("") | PATH)
URL = st.tuples(WORD, WORD).map(lambda t: f"https://{t[0].lower()}.org/{t[1]}.zip")
MODULE = st.sampled_from(["sklearn", "sklearn.datasets", "_x1"])
URIS = st.one_of(
    st.builds(PypiUri, WORD, WORD, FOLDER_OR_FILE),
    HUB,
    st.builds(WebUri, URL, st.just("") | FOLDER_OR_FILE),
    st.builds(FileUri, PATH),
    st.builds(PackageUri, MODULE, FOLDER_OR_FILE),
)


@given(URIS)
def test_what_is_written_is_read_back(uri):
    assert parse(str(uri)) == uri
    assert normal(normal(str(uri))) == normal(str(uri))


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        uri = parse(text)
    except AssetError:
        return
    assert parse(str(uri)) == uri


@pytest.mark.fault(36, "names that leave the folder")
@given(st.sampled_from(["pypi:a==1#", "https://a.org/b#", "hub:models/a/b@c#", "package:a#"]), PATH)
def test_no_member_leaves_its_folder(start, path):
    assert parse(start + path)
    for bad in (f"../{path}", f"/{path}", f"{path}/../../x", f"c:/{path}", f"{path}\0", "a\\..\\b"):
        with pytest.raises(AssetError):
            parse(start + bad)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "starts with none of pypi:, hub:"),
        ("tickets.csv", "starts with none of"),
        ("ftp://a.org/b", "starts with none of"),
        ("pypi:", "nothing follows"),
        ("pypi:mlxtend#a", "pypi:NAME==VERSION#member/path"),
        ("pypi:mlxtend>=1#a", "pypi:NAME==VERSION#member/path"),
        ("pypi:--index-url=x==1#a", "pypi:NAME==VERSION#member/path"),
        ("pypi:a==1", "the member of the wheel is missing"),
        ("hub:spaces/a/b", "hub:models/ORG/NAME@REVISION"),
        ("hub:models/a", "hub:models/ORG/NAME@REVISION"),
        ("hub:models/a/b@", "the revision is"),
        ("hub:models/a/b@x/../y", "the revision is"),
        ("hub:models/a/b#c/", "one file"),
        ("http://example.org/a", "plain http:"),
        ("http://127.0.0.1.example.org/a", "plain http:"),
        ("https://", "the form is https"),
        ("https://a.org/b c", "the form is https"),
        ("https://a.org:port/", "cannot be read"),
        ("https://a.org/b#", "nothing follows #"),
        ("https://[::1/", "cannot be read"),
        ("file://host/x", "another machine"),
        ("file:a\0b", "NUL"),
        ("package:os.#x", "package:MODULE#path"),
        ("package:sklearn", "the path in the package is missing"),
    ],
)
def test_what_is_malformed_says_why(text, why):
    with pytest.raises(AssetError, match="not a URI that can be read") as caught:
        parse(text)
    assert why in str(caught.value)


def test_http_is_for_this_machine():
    assert parse("http://127.0.0.1:8000/a") == WebUri("http://127.0.0.1:8000/a")


def test_a_commit_pins_a_hub_uri_and_a_branch_does_not():
    assert parse(f"hub:models/a/b@{COMMIT}").pinned
    assert not parse("hub:models/a/b@main").pinned
    assert not parse(f"hub:models/a/b@{COMMIT.upper()}").pinned
    assert not parse("hub:models/a/b").pinned


@pytest.mark.fault(40, "credentials in a URL")
def test_credentials_are_refused_and_not_repeated():
    for uri in ("https://me:hunter2@a.org/b", "https://hunter2@a.org/b?x#c", "htps://a:hunter2@b/"):
        with pytest.raises(AssetError) as caught:
            parse(uri)
        assert "hunter2" not in str(caught.value)


@pytest.mark.fault(40, "credentials in a URL")
@pytest.mark.parametrize(
    "text",
    [
        "from https://me:hunter2@a.org/simple: no",
        "at https://a.org/x?token=hunter2 now",
        "'https://a.org/x?hunter2'",
        "hf_hunter2hunter2 is a token",
    ],
)
def test_redact(text):
    assert "hunter2" not in redact(text)
    assert redact(redact(text)) == redact(text)


def test_redact_leaves_plain_text():
    text = "pypi:a==1#b/c.csv: is this it? See https://a.org/b"
    assert redact(text) == text


@pytest.mark.fault(36, "names that leave the folder")
@given(st.text(max_size=12))
def test_a_safe_path_stays_inside(name):
    try:
        path = safe_relative(name)
    except AssetError:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.parts


@pytest.mark.fault(36, "names that leave the folder")
@pytest.mark.parametrize(
    "name",
    ["", "/", "/a", "a//b", "./a", "a/..", "C:/a", "a\nb", "a\0", "a\\b", "\ud800", "x" * 300],
)
def test_unsafe_paths(name):
    with pytest.raises(AssetError, match="unsafe path"):
        safe_relative(name)


def test_file_uris_start_at_the_given_folder(tmp_path):
    assert file_path("file:a/b.csv", tmp_path) == tmp_path / "a" / "b.csv"
    assert file_path("file:../b.csv", tmp_path) == tmp_path.parent / "b.csv"
    assert file_path(f"file://{tmp_path}/x", tmp_path / "else") == tmp_path / "x"
    assert absolute_file("file:./b.csv", tmp_path) == f"file:{tmp_path / 'b.csv'}"
    assert absolute_file("pypi:a==1#b", tmp_path) == "pypi:a==1#b"
    with pytest.raises(AssetError, match="a file: URI is needed"):
        file_path("pypi:a==1#b", tmp_path)


def test_the_lock_knows_one_file_by_one_name():
    assert normal("file:./a/../b.csv") == "file:b.csv"
