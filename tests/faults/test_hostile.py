"""Files, suites and models that mean harm: refused by name, nothing runs, nothing leaks."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import pickle
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import backbones
from bench.assets import digest_tree
from bench.core.errors import BenchError, SuiteError, UserError
from bench.core.suite import BackboneEntry, Precision
from bench.runner.check import CELLS_MOST
from bench.runner.plan import validated
from bench.store.predictions import from_bytes
from bench.suite_file import read
from tests.faults.kit import FULL
from tests.runner.in_process import in_process
from tests.sabotage import write_plugin
from tests.trainable import save_bert

ROOT = Path(__file__).parents[2]
PERSONAL = [str(Path.home()), socket.gethostname(), getpass.getuser()]
TOKEN = "hf_" + "Planted0" * 4
CANARY = """
import os
from transformers import BertConfig, BertModel
open(os.environ["CANARY"], "w").close()
class Config(BertConfig): pass
class Model(BertModel): pass
"""


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command itself."""
    return python("from bench.cli import main; main()", *arguments)


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def planted(folder: Path, data: bytes) -> None:
    """A shard of the feature cache that is named by its own digest, as a whole one is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hashlib.sha256(data).hexdigest()}.safetensors").write_bytes(data)


@pytest.mark.fault(33, "pickles in the place of features, token ids and predictions")
def test_a_pickle_is_not_read(tmp_path, trials):
    from bench.core.backbone import Tokens
    from bench.extract import FeatureCache
    from bench.extract.tokens import _name, _OfTokenizer

    path = tmp_path / "canary"
    array = np.array([Canary(path)], dtype=object)
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    loads = {"pickle": pickle.dumps(Canary(path)), "npy": (tmp_path / "x.npy").read_bytes()}
    pickle.loads(loads["pickle"])  # the canary sings when it is let
    assert path.exists()
    path.unlink()
    for name, data in loads.items():
        with trials.one():
            with pytest.raises(BenchError, match="damaged"):
                from_bytes(data, name)
            assert not path.exists()
        with trials.one():
            planted(tmp_path / "features" / name, data)
            assert FeatureCache(tmp_path / "features", name).missing([b"x" * 16]) == [0]
            assert not path.exists()
        with trials.one():
            folder = tmp_path / "tokens" / name
            made = Tokens(np.arange(3, dtype=np.int32), np.array([0, 3]), np.array([False]))
            _OfTokenizer(folder).add([b"x" * 16], made)
            (index,) = folder.glob("*.safetensors")
            stem = _name(index.read_bytes(), data)
            index.rename(folder / f"{stem}.safetensors")
            (folder / f"{stem}.npy").write_bytes(data)
            assert _OfTokenizer(folder).missing([b"x" * 16]) == [0]
            assert not path.exists()


HEADERS = {
    "longer than the file": (2**40, b"{}"),
    "as long as can be said": (2**64 - 1, b"{}"),
    "no JSON": (2, b"{{"),
    "an array": (2, b"[]"),
    "a number": (1, b"7"),
    "nothing": (0, b""),
    "a tensor of 2^60 items": (
        None,
        b'{"true":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,4]}}',
    ),
    "offsets beyond the file": (
        None,
        b'{"features":{"dtype":"F32","shape":[2147483647],"data_offsets":[0,8589934588]}}',
    ),
    "negative offsets": (
        None,
        b'{"true":{"dtype":"U8","shape":[4],"data_offsets":[-4,0]}}',
    ),
    "negative shapes": (
        None,
        b'{"true":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}',
    ),
    "deep": (None, b"[" * 100_000),
    "an unknown type": (None, b'{"true":{"dtype":"O","shape":[1],"data_offsets":[0,8]}}'),
    "the same bytes twice": (
        None,
        (
            b'{"true":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
            b'"predicted":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
        ),
    ),
}
LOADING = """
import resource, sys
from pathlib import Path
from bench.core.errors import BenchError
from bench.core.backbone import BackboneSpec
from bench.core.suite import Precision
from bench.core.task import Modality
from bench.backbones.pretrained import load_model
from bench.extract import FeatureCache
from bench.store.predictions import from_bytes
from transformers import AutoModel, BertModel

folder, file = Path(sys.argv[1]), Path(sys.argv[2])
spec = BackboneSpec(name="x", modality=Modality.TEXT, summary="", assets=())
load_model(spec, folder, Precision.FP32)  # what a whole one takes counts before
FeatureCache(Path(sys.argv[3]), "whole").missing([b"x" * 16])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = file.read_bytes()
said = []
try:
    from_bytes(data, "x")
except BenchError as error:
    said.append("predictions")
if FeatureCache(Path(sys.argv[3]), "key").missing([b"x" * 16]) == [0]:
    said.append("features")
(folder / "model.safetensors").write_bytes(data)
try:
    load_model(spec, folder, Precision.FP32)
except BenchError as error:
    assert folder.name in str(error), error
    said.append("weights")
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(*said, "bounded" if grown < 64_000 else f"{grown} kB")
"""


@pytest.mark.fault(34, "malformed headers of safetensors: an error, in bounded memory")
def test_malformed_headers(tmp_path, trials):
    folder = save_bert(tmp_path / "model", ["a text"])
    whole = (folder / "model.safetensors").read_bytes()
    for number, (length, header) in enumerate(HEADERS.values()):
        size = len(header) if length is None else length
        data = size.to_bytes(8, "little") + header + b"\0" * 64
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(data)
        planted(tmp_path / f"cache-{number}" / "key", data)
        (folder / "model.safetensors").write_bytes(whole)
        if number and not FULL:
            continue
        with trials.one():
            done = python(LOADING, str(folder), str(file), str(tmp_path / f"cache-{number}"))
            assert done.stdout.split() == ["predictions", "features", "weights", "bounded"], (
                done.stdout + done.stderr
            )


HEAD = '[suite]\nname = "x"\n'
BODY = '[[task]]\nname = "digits"\n[[backbone]]\nname = "raw-pixels"\n[[method]]\nname = "knn"\n'
SUITES = {
    "unknown keys": (f"{HEAD}drawz = 3\n{BODY}", "did you mean 'draws'"),
    "a key twice": (f'{HEAD}name = "y"\n{BODY}', "not valid TOML"),
    "an entry twice": (HEAD + BODY + '[[method]]\nname = "knn"\n', "is the same as method"),
    "a word for a number": (f'{HEAD}draws = "3"\n{BODY}', "suite.draws"),
    "a truth value for a number": (f"{HEAD}draws = true\n{BODY}", "suite.draws"),
    "a fraction of a draw": (f"{HEAD}draws = 1.5\n{BODY}", "suite.draws"),
    "a table for a name": ("[suite]\nname = { a = 1 }\n" + BODY, "suite.name"),
    "one bracket": (f'{HEAD}[task]\nname = "digits"\n', "two brackets"),
    "a huge grid": (f"{HEAD}draws = 1000\nseeds = 1000\n{BODY}", "1,000,000 cells"),
    "a grid beyond 64 bits": (
        f"{HEAD}draws = {10**18}\nseeds = {10**18}\n{BODY}",
        "at most 100,000",
    ),
    "many sizes": (
        f"{HEAD}draws = 200\n{BODY}".replace(
            '"digits"\n',
            f'"digits"\ntrain = {{ per_class = {list(range(1, 1001))} }}\n',
        ),
        "200,000 cells",
    ),
    "a million bytes": (HEAD + "#" * 1_000_001, "at most 1,000,000"),
    "no UTF-8": (b"[suite]\nname = '\xff'\n", "not valid TOML"),
    "deep": (f"{HEAD}x = {'[' * 20_000}", "not valid TOML"),
    "a path for a name": ('[suite]\nname = "../x"\n' + BODY, "suite.name"),
}


@pytest.mark.fault(35, "suite files: unknown keys, doubles, wrong types, huge grids")
def test_hostile_suites(tmp_path, trials):
    for number, (text, words) in enumerate(SUITES.values()):
        path = tmp_path / f"{number}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with trials.one(), pytest.raises(BenchError) as caught:
            validated(read(path))
        assert words in str(caught.value)
    assert CELLS_MOST > 200


NAMES = ["../x", "/tmp/x", "a/b", "..", ".", "a\\u0000b", "", "-rf", "x" * 200, "a\\nb", "CON:"]


@pytest.mark.fault(36, "suite names that would be another folder")
def test_names_that_leave_the_folder(tmp_path, trials):
    for name in NAMES:
        path = tmp_path / "suite.toml"
        path.write_text(f'[suite]\nname = "{name}"\n{BODY}', encoding="utf-8")
        with trials.one(), pytest.raises(SuiteError, match=r"suite\.name|not valid TOML"):
            validated(read(path))
    assert [p.name for p in tmp_path.iterdir()] == ["suite.toml"]


@pytest.mark.fault(
    36, "an output folder that is a link stays what it is; links in it are not followed"
)
def test_links_in_the_output(tmp_path, trials, suite_file, monkeypatch):
    from bench.runner.run import Options, run_suite

    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "board").write_text("mine")
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    for name in ("suite.json", "index.json"):
        (folder / name).symlink_to(outside / "board")
    path = suite_file(HEAD + BODY.replace('"digits"\n', '"digits"\ntest_size = 20\n'))
    with trials.one():
        run_suite(path, Options(tmp_path / "runs", "cpu"), engine=in_process)
        assert (outside / "board").read_text() == "mine"
        assert [p.name for p in outside.iterdir()] == ["board"]


@pytest.mark.fault(39, "a model's own code beside its weights")
def test_code_of_a_model_is_not_run(tmp_path, trials, monkeypatch):
    folder, canary = save_bert(tmp_path / "model", ["a text"]), tmp_path / "canary"
    monkeypatch.setenv("CANARY", str(canary))
    (folder / "modeling_x.py").write_text(CANARY)
    settings = json.loads((folder / "config.json").read_text())
    settings["auto_map"] = {"AutoConfig": "modeling_x.Config", "AutoModel": "modeling_x.Model"}

    def load() -> None:
        (folder / "config.json").write_text(json.dumps(settings))
        name = f"file:{folder}"
        plugin = backbones.build(BackboneEntry(name=name), tmp_path, {name: digest_tree(folder)})
        plugin.load("cpu", Precision.FP32, [])

    with trials.one():
        load()
        assert not canary.exists()
    settings["model_type"] = "of-the-canary"  # unknown: only its own code could load it
    with trials.one():
        with pytest.raises(UserError):
            load()
        assert not canary.exists()
    runpy.run_path(str(folder / "modeling_x.py"))  # the canary sings when it is let
    assert canary.exists()


@pytest.mark.fault(40, "a token in environment, argument, URL and exception of a whole run")
def test_a_token_through_a_whole_run(tmp_path, trials, monkeypatch):
    plugin = write_plugin(made(tmp_path / "plugin"))
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    monkeypatch.setenv("SABOTAGE_FOLDER", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "t.csv").write_text("text,label\n" + "a,x\nb,y\n" * 30)
    suite = tmp_path / "mine.toml"
    suite.write_text(
        '[suite]\nname = "leaks"\n[[task]]\nname = "t"\nmodality = "text"\n'
        f'data = "file:{tmp_path}/t.csv"\n'
        '[[task]]\nname = "u"\nmodality = "text"\n'
        f'data = "https://me:{TOKEN}@127.0.0.1:9/t.csv"\n'
        '[[method]]\nname = "tfidf"\n[[method]]\nname = "sabotage"\nhow = "leak"\n'
        '[[backbone]]\nname = "raw-pixels"\n'
    )
    with trials.one():
        done = bench("run", str(suite), "--runs", str(tmp_path / "runs"))
        assert done.returncode == 2  # a URL with a password in it is refused
        assert TOKEN not in done.stdout + done.stderr
    text = suite.read_text()
    start, end = text.index('[[task]]\nname = "u"'), text.index("[[method]]")
    digits = '[[task]]\nname = "digits"\ntrain = { per_class = 2 }\ntest_size = 20\n'
    suite.write_text(text[:start] + digits + text[end:])
    folder, published = tmp_path / "runs" / "leaks", tmp_path / "results"
    with trials.one():
        said = [
            bench("run", str(suite), "--runs", str(tmp_path / "runs"), "--device", "cpu"),
            bench("table", str(folder)),
            bench("publish", str(folder), "--results", str(published)),
        ]
        files = [p for at in (folder, published) for p in at.rglob("*") if p.is_file()]
        records = [json.loads(p.read_text()) for p in files if p.parent.name == "records"]
        failures = [r["record"]["failure"] for r in records if r["record"]["failure"]]
        assert any("leaked" in str(failure) for failure in failures)
        assert any("leaked" in p.read_text() for p in files if p.name == "worker.log")
        words = [TOKEN, str(tmp_path), *(w for w in PERSONAL if len(w) > 2)]
        kept = [(p.name, word) for p in files for word in words if word.encode() in p.read_bytes()]
        assert not kept
        assert not [done.stderr for done in said if TOKEN in done.stdout + done.stderr]
