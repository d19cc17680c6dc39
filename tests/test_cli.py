"""The command line as a user meets it: runs in real processes, what only tells in this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bench
from tests import command

EXAMPLES = Path(__file__).parents[1] / "examples"

DIGITS = """
[suite]
name = "tiny"
draws = 2
[[task]]
name = "digits"
train = { per_class = 8 }
test_size = 200
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
[[method]]
name = "knn"
"""


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which a small suite has been run to its end."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "tiny.toml").write_text(DIGITS)
    done = run("run", "tiny.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_suite_becomes_a_table(finished):
    folder, done = finished
    assert "raw-pixels" in done.stdout
    assert "[4/4]" in done.stderr
    assert "forecast" in done.stderr
    records = list((folder / "runs/tiny/records").iterdir())
    assert len(records) == 4
    assert (folder / "runs/tiny/leaderboard.csv").exists()


def test_a_second_run_does_nothing(finished):
    folder, first = finished
    before = snapshot(folder / "runs")
    again = run("run", "tiny.toml", cwd=folder)
    assert again.returncode == 0
    assert again.stdout == first.stdout
    assert snapshot(folder / "runs") == before
    assert "[1/4]" not in again.stderr


def test_a_lost_record_alone_is_run_again(finished, tmp_path):
    import shutil

    folder, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    min((copy / "runs/tiny/records").iterdir()).unlink()
    again = command.bench("run", "tiny.toml", cwd=copy)
    assert "1 to run" in again.stderr
    assert len(list((copy / "runs/tiny/records").iterdir())) == 4


@pytest.mark.parametrize("form", ["md", "csv", "latex", "json"])
def test_tables_come_in_every_format(finished, form):
    folder, _ = finished
    done = command.bench("table", "runs/tiny", "--format", form, cwd=folder)
    assert done.returncode == 0
    assert "centroid" in done.stdout
    if form == "json":
        json.loads(done.stdout)


def test_publishing_and_deriving_the_tables_again_agree(finished):
    folder, _ = finished
    assert command.bench("publish", "runs/tiny", cwd=folder).returncode == 0
    published = snapshot(folder / "results/tiny")
    assert not any("probabilities" in name for name in published)
    assert command.bench("table", "results/tiny", "--write", cwd=folder).returncode == 0
    assert snapshot(folder / "results/tiny") == published


@pytest.mark.parametrize("name", ["../../elsewhere", "", ".", "a/b", None])
def test_a_run_is_not_published_under_a_name_that_leads_elsewhere(finished, tmp_path, name):
    folder, _ = finished
    run = shutil.copytree(folder / "runs/tiny", tmp_path / "run")
    suite = json.loads((run / "suite.json").read_text())
    (run / "suite.json").write_text(json.dumps({**suite, "name": name}))
    done = command.bench("publish", str(run), "--results", "to/some/results", cwd=tmp_path)
    assert done.returncode == 2
    assert "which no suite has" in done.stderr or "damaged (name" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_nothing_personal_is_in_a_record(finished):
    import getpass
    import socket

    folder, _ = finished
    text = "".join(p.read_text() for p in (folder / "runs/tiny/records").iterdir())
    # "root" is a word of its own in few places; a longer name must not stand anywhere
    for word in (str(Path.home()), str(folder), socket.gethostname(), f"/{getpass.getuser()}/"):
        assert word not in text


def test_python_gives_the_same(finished, monkeypatch):
    folder, _ = finished
    monkeypatch.chdir(folder)
    records = bench.run("tiny.toml")
    assert len(records) == 4
    frame = bench.leaderboard("runs/tiny")
    assert sorted(frame["method"]) == ["centroid", "knn"]


def test_five_mistakes_five_messages_nothing_written(tmp_path):
    (tmp_path / "bad.toml").write_text("""
[suite]
name = "bad"
draws = 0
[[task]]
name = "digit"
train = { per_klass = 8 }
[[backbone]]
name = "raw-pixel"
[[method]]
name = "probe"
C = "strong"
""")
    done = command.bench("run", "bad.toml", cwd=tmp_path)
    assert done.returncode == 2
    for where in (
        "suite.draws",
        "task[0].name",
        "task[0].train.per_klass",
        "backbone[0].name",
        "method[0].C",
    ):
        assert where in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]


OWN = """
[suite]
name = "own"
[[task]]
name = "mine"
data = "{data}"
input = "{column}"
label = "queue"
train = {{ per_class = 4 }}
[[method]]
name = "tfidf"
"""


def own(tmp_path, data="file:tickets.csv", column="body"):
    (tmp_path / "tickets.csv").write_bytes((EXAMPLES / "tickets.csv").read_bytes())
    (tmp_path / "own.toml").write_text(OWN.format(data=data, column=column))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"data": "file:tickts.csv"}, "tickts.csv"),
        ({"column": "bodi"}, "bodi"),
        ({"data": "tickets.csv"}, 'write "file:tickets.csv"'),
        ({"data": "hub:datasets/some/where@main"}, "cannot be reached"),
    ],
)
def test_what_is_wrong_with_the_data_is_one_sentence(tmp_path, settings, says):
    own(tmp_path, **settings)
    done = command.bench("run", "own.toml", cwd=tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("runs/*/records/*"))


def test_a_wrong_digest_names_both(tmp_path):
    suite = DIGITS.replace('"digits"', '"trec"').replace('"raw-pixels"', '"minilm-l6"')
    (tmp_path / "wrong.toml").write_text(suite)
    (tmp_path / "mirror/trec").mkdir(parents=True)
    for name in ("TREC.train.all", "TREC.test.all"):
        (tmp_path / "mirror/trec" / name).write_text("0 What is this ?\n")
    mirror = {"BENCH_MIRROR": str(tmp_path / "mirror"), "BENCH_CACHE": str(tmp_path / "cache")}
    done = command.bench("run", "wrong.toml", cwd=tmp_path, **mirror)
    assert done.returncode == 2
    assert "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e" in done.stderr
    assert "sha256 is" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_readmes_example_runs(tmp_path):
    """A user's CSV through a real backbone, without a line of Python."""
    for path in EXAMPLES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    done = command.bench("run", "tickets.toml", "--locked", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "minilm-l6" in done.stdout
    assert "tickets" in done.stdout


def test_changed_bytes_are_refused_when_locked(tmp_path):
    own(tmp_path)
    first = command.bench("run", "own.toml", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "own.lock").exists()
    table = (tmp_path / "tickets.csv").read_text()
    (tmp_path / "tickets.csv").write_text(table.replace("invoice", "bill", 1))
    locked = command.bench("run", "own.toml", "--locked", cwd=tmp_path)
    assert locked.returncode == 2
    assert "sha256 is" in locked.stderr
    open_ = command.bench("run", "own.toml", cwd=tmp_path)
    assert open_.returncode == 0
    assert "changed" in open_.stderr
    assert "1 to run" in open_.stderr  # other bytes are another cell


def test_a_folder_without_a_run_is_a_mistake(tmp_path):
    done = command.bench("table", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "holds no run" in done.stderr


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "tiny.toml").write_text(DIGITS)
    (tmp_path / "runs").write_text("a file where the folder should be")
    done = command.bench("run", "tiny.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "runs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "tasks"],
        ["list", "methods"],
        ["list", "backbones"],
        ["assets", "list"],
        ["plan", "suites/default.toml"],
        ["table", "results/default"],
        ["table", "results/default", "--ledger"],
        ["errors", "8d1e2bb6", "--against", "ac99e572"],
        ["export", "overview"],
        ["export", "mteb", "results/mteb-banking77"],
        ["publish", "results/smoke", "--check"],
        ["table", "results/default", "--budget-curve", "--format", "json"],
    ],
)
def test_nothing_that_only_tells_loads_torch(arguments):
    """Importing torch would make `bench --help` slow; `make microbench` shows the speed itself."""
    code = (
        "import sys\nfrom bench.cli import main\n"
        f"sys.argv = ['bench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_doctor_says_what_there_is():
    done = run("doctor", cwd=".")
    assert done.returncode == 0
    assert "torch" in done.stdout
    assert "would be skipped" in done.stdout
    assert "batch budgets" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["minilm-l7", "--task", "trec"], "did you mean 'minilm-l6'"),
        (["minilm-l6", "--task", "digit"], "did you mean 'digits'"),
        (["minilm-l6", "--task", "digits"], "minilm-l6 reads text, but digits is image"),
        (["raw-pixels", "--task", "digits", "--device", "cuda"], "torch sees none"),
    ],
)
def test_throughput_of_what_cannot_be_is_one_sentence(tmp_path, monkeypatch, arguments, says):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = command.bench("throughput", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("bench: ")
    assert says in line


def test_throughput_of_a_folder(tmp_path, monkeypatch, capsys):
    """In this process, where clocks can be hurried; the ones of the command take a minute."""
    from bench.cli import main
    from bench.measure import StopRule
    from bench.runner.throughput import run as throughput
    from bench.runner.throughput.calls import Pace
    from tests.backbones.tiny import save_image

    quick = StopRule(
        least_samples=2, least_seconds=1e-4, most_seconds=1e-3, region_seconds=1e-5,
        most_warm_up_seconds=1e-3,
    )  # fmt: skip
    pace = Pace(rule=quick, ceiling_rule=quick, side=16, copy_bytes=1000, part_seconds=1e-3)
    monkeypatch.setattr(throughput, "PACE", pace)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    backbone = f"file:{save_image(tmp_path / 'vit', 'vit')}"
    asked = ["throughput", backbone, "--task", "digits", "--device", "cpu", "--items", "8"]
    monkeypatch.setattr(sys, "argv", ["bench", *asked, "--json", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    printed = capsys.readouterr()
    plain = json.loads(printed.out)
    assert (plain["kind"], plain["task"], plain["items"]) == ("throughput", "digits", 8)
    assert "timing end to end" in printed.err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["README.md", "file-vit-digits-fp32-cpu.json"]
    assert json.loads((tmp_path / "out" / names[1]).read_text()) == plain
    assert plain["provenance"]["device_name"] in (tmp_path / "out" / "README.md").read_text()
    monkeypatch.setattr(sys, "argv", ["bench", *asked])
    with pytest.raises(SystemExit):
        main()
    assert "where time goes" in capsys.readouterr().out
