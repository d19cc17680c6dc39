"""The hub through its unmodified client, in processes of their own: it reads HF_ENDPOINT once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from asset_kit import asset_of, serving, sha256, tree_sha256
from hub_stub import COMMIT, MODEL, REPOS, Hub

from bench.assets import hub_identity, is_cached, snapshot, verify
from bench.assets.uri import parse
from bench.core.asset import Source
from bench.core.errors import AssetError

WANTED = {
    name: MODEL[name] for name in ("config.json", "model.safetensors", "1_Pooling/config.json")
}

CLIENT = """
import json, sys, time
from pathlib import Path
from bench.assets import *
from bench.assets import hub
from bench.core.asset import Asset, Source
from bench.core.errors import BenchError
import huggingface_hub  # its import is not what is timed
if sys.argv[1] == "hurry":
    real = time.sleep
    time.sleep = lambda seconds: real(0.01)  # a fake clock: the client waits between retries
def answer(uri, sha256, tree):
    if sha256 == "":
        return resolve_revision(uri)
    if sha256 == "pin":
        lock = Lock(Path("x.lock"))
        pinned = pin(Asset("thing", (Source("model", (uri,), tree=tree),), "test"), Path(), lock)
        assert pinned.sources[0].sha256 == hub_identity(pinned.sources[0].uris[0])
        return lock.pins[uri]
    source = Source("model", (uri,), sha256, tree=tree)
    say = lambda text: print(text, file=sys.stderr)
    return str(resolve(Asset("thing", (source,), "test"), say)["model"])
for line in sys.stdin:
    start = time.monotonic()
    try:
        result = {"path": answer(*json.loads(line))}
    except BenchError as error:
        result = {"error": str(error)}
    print(json.dumps({**result, "seconds": time.monotonic() - start}))
"""


def ask(endpoint, home, cache, *questions, hurry=False, said=None, **more):
    """Resolve (uri, sha256, tree) each in one process; sha256 "" or "pin" asks for the commit."""
    env = {
        **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "BENCH_CACHE": str(cache),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT, "hurry" if hurry else ""],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if said is not None:
        said += done.stderr.splitlines()
    return [json.loads(line) for line in done.stdout.splitlines()]


def at_commit(repo, file=""):
    uri = f"hub:{repo}@{COMMIT}{file}"
    return uri, hub_identity(uri), not file


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


QUESTIONS = {
    "found": at_commit("models/org/found"),
    "redirect": at_commit("models/org/redirect"),
    "dataset": at_commit("datasets/org/found"),
    "one file": at_commit("models/org/found", "#config.json"),
    "digest": (f"hub:models/org/found@{COMMIT}", tree_sha256(WANTED), True),
    "file digest": ("hub:models/org/found@main#config.json", sha256(MODEL["config.json"]), False),
    "wrong digest": (f"hub:models/org/found@{COMMIT}", "0" * 64, True),
    "locked branch": ("hub:models/org/found@main", "pin", True),
    "branch": ("hub:models/org/found@main", "", True),
    "no branch": ("hub:datasets/org/found", "", True),
    "wrong branch": ("hub:models/org/found@none", "", True),
    "gated": at_commit("models/org/gated"),
    "forbidden": at_commit("models/org/forbidden"),
    "broken": ("hub:models/org/broken", "", True),
    "no repository": at_commit("models/org/none"),
    "no revision": (
        f"hub:models/org/found@{'f' * 40}",
        hub_identity(f"hub:models/org/found@{'f' * 40}"),
        True,
    ),
    "no file": at_commit("models/org/found", "#none.json"),
    "nothing wanted": at_commit("models/org/empty"),
    "cut": at_commit("models/org/cut"),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """One process that asks everything; then the hub is gone."""
    root = tmp_path_factory.mktemp("hub")
    with serving(Hub) as server:
        answers = ask(server.url, root / "hf", root / "cache", *QUESTIONS.values(), hurry=True)
    return root, dict(zip(QUESTIONS, answers, strict=True)), server.url


def content(hub, name):
    from pathlib import Path

    return Path(hub[1][name]["path"])


@pytest.mark.fault(39, "code and pickles of a repository are not fetched")
@pytest.mark.parametrize("name", ["found", "redirect"])
def test_a_repository_without_pickles_and_code(hub, name):
    folder = content(hub, name)
    assert folder.name == COMMIT
    assert folder.is_relative_to(hub[0] / "hf")
    assert files(folder) == WANTED


def test_a_dataset_with_its_card(hub):
    wanted = {k: v for k, v in REPOS["datasets/org/found"].items() if k != "load.py"}
    assert files(content(hub, "dataset")) == wanted


def test_one_file(hub):
    assert content(hub, "one file").name == "config.json"
    assert content(hub, "one file").read_bytes() == MODEL["config.json"]


def test_a_digest_is_checked_and_the_copy_is_ours(hub):
    folder = content(hub, "digest")
    assert folder.is_relative_to(hub[0] / "cache")
    assert files(folder) == WANTED
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert content(hub, "file digest").read_bytes() == MODEL["config.json"]
    error = hub[1]["wrong digest"]["error"]
    assert "0" * 64 in error
    assert tree_sha256(WANTED) in error


def test_a_branch_becomes_a_commit(hub):
    assert hub[1]["branch"]["path"] == f"hub:models/org/found@{COMMIT}"
    assert hub[1]["no branch"]["path"] == f"hub:datasets/org/found@{COMMIT}"
    assert hub[1]["locked branch"]["path"] == COMMIT
    assert "no revision 'none'" in hub[1]["wrong branch"]["error"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gated", "gated: accept the terms on its page, then log in"),
        ("forbidden", "log in"),
        ("broken", "the hub answered 418"),
        ("no repository", "no such repository"),
        ("no revision", f"the repository has no revision '{'f' * 40}'"),
        ("no file", "the repository has no file 'none.json' at this revision"),
        ("nothing wanted", "no file of a kind that is read here"),
        ("cut", "cut short"),
    ],
)
def test_failures_say_what_to_do(hub, name, words):
    error = hub[1][name]["error"]
    assert words in error
    assert error.startswith("hub:")
    assert "\n" not in error


def test_a_whole_snapshot_is_used_without_asking(hub):
    root, answers, _ = hub
    with serving(Hub) as server:
        (found,) = ask(server.url, root / "hf", root / "cache", QUESTIONS["found"])
        assert found["path"] == answers["found"]["path"]
        assert server.asked == []


def test_what_is_cached_and_verified(hub, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(hub[0] / "cache"))
    uri, identity, _ = QUESTIONS["redirect"]
    asset = asset_of(Source("model", (uri,), identity, tree=True))
    assert is_cached(asset)
    assert verify(asset) == []
    blob = (content(hub, "redirect") / "config.json").resolve()
    data = blob.read_bytes()
    try:
        blob.write_bytes(b"X" + data[1:])
        (problem,) = verify(asset)
        assert "config.json: sha256 is" in problem
        blob.write_bytes(data[:3])
        assert not is_cached(asset)
        assert verify(asset) == [f"{uri}: not, or not completely, in the hub's local cache"]
    finally:
        blob.write_bytes(data)
    cut, identity, _ = QUESTIONS["cut"]
    assert not is_cached(asset_of(Source("model", (cut,), identity, tree=True)))


@pytest.fixture
def local(tmp_path):
    """A snapshot that another program put into the hub's cache."""
    repository = tmp_path / "hf" / "hub" / "models--org--found"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "1").write_bytes(MODEL["config.json"])
    (folder / "config.json").symlink_to("../../blobs/1")
    return tmp_path / "hf", folder


def test_a_local_snapshot_serves_without_a_hub(local, cache):
    home, folder = local
    refused, (uri, _, _) = closed_port(), QUESTIONS["found"]
    questions = (QUESTIONS["found"], at_commit("models/org/found", "#config.json"))
    said = []
    unreachable = ask(refused, home, cache, *questions, said=said)
    assert sum("what the hub's local cache has is used, whole or not" in line for line in said) == 2
    offline = ask(refused, home, cache, *questions, QUESTIONS["gated"], HF_HUB_OFFLINE="1")
    assert [a["path"] for a in unreachable] == [str(folder), str(folder / "config.json")]
    assert [a["path"] for a in offline[:2]] == [a["path"] for a in unreachable]
    assert "HF_HUB_OFFLINE is set" in offline[2]["error"]
    assert snapshot.lookup(parse(uri)) is None  # whether it is whole, nobody has said


def test_a_snapshot_link_that_leaves_the_cache_is_refused(local, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (local[1] / "extra.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(AssetError, match=r"extra\.json links out"):
        snapshot.wanted_files(parse(QUESTIONS["found"][0]), local[1])


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_an_unreachable_hub_answers_at_once(tmp_path, cache):
    refused = closed_port().replace("://", "://me:hunter2@")
    branch = ("hub:models/org/found@main", "", True)
    for answer in ask(refused, tmp_path, cache, QUESTIONS["found"], branch):
        assert answer["seconds"] < 5
        assert "cannot be reached at http" in answer["error"]
        assert "HF_ENDPOINT" in answer["error"]
        assert "hunter2" not in answer["error"]
        assert "\n" not in answer["error"]
    (offline,) = ask(refused, tmp_path, cache, branch, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in offline["error"]


def test_a_silent_hub_answers_within_five_seconds(tmp_path, cache):
    with socket.socket() as silent:  # connects and never says anything
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (answer,) = ask(url, tmp_path, cache, QUESTIONS["found"])
    assert answer["seconds"] < 5
    assert "cannot be reached at" in answer["error"]
