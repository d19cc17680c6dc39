"""`bench gate` and `bench publish --reason` as a user meets them: what they say, and exit codes."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bench.api import publish
from bench.core.errors import StoreError, UserError
from tests.command import bench
from tests.gate.planted import altered, drop, stored, write

ROW = next(row for row in stored() if row.name == "reuters-r8 / minilm-l6 / knn")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("gate")
    rng = np.random.default_rng(0)
    before, after = drop(ROW, rng, 0.08, 0.06)
    write(place / "base", [(ROW, before)])
    write(place / "worse", [(ROW, after)])
    write(place / "less", [(ROW, before)], lambda r: None if r.draw else r)
    write(place / "shaken", [(ROW, altered(ROW, rng, fall=0.03, rise=0.3))])
    write(place / "torn", [(ROW, before)])
    torn = min((place / "torn" / "records").iterdir())
    torn.write_bytes(torn.read_bytes()[:200])
    return place


@pytest.mark.parametrize(
    ("candidate", "code", "says"),
    [
        ("base", 0, "overall: pass: 1 row: 1 same"),
        ("shaken", 0, "overall: pass"),
        ("worse", 1, "overall: regression"),
        ("less", 3, "draw 1 seed 0 is missing in the candidate"),
        ("torn", 2, "damaged"),
        ("nowhere", 2, "holds no run"),
    ],
)
def test_exit_codes(folders, candidate, code, says):
    done = bench("gate", "--baseline", "base", "--candidate", candidate, cwd=folders)
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_plain_data_with_a_schema(folders):
    done = bench("gate", "--baseline", "base", "--candidate", "worse", "--json", cwd=folders)
    assert done.returncode == 1
    plain = json.loads(done.stdout)
    assert plain["schema"] == 1
    assert plain["verdict"] == "regression"
    (row,) = plain["rows"]
    assert row["row"] == ROW.name
    assert row["accuracy"]["difference"] == pytest.approx(-0.06, abs=0.02)
    assert row["speed"]["judged"] is False


def test_a_wider_margin_forgives(folders):
    margin = ("--accuracy-margin", "0.2")
    done = bench("gate", "--baseline", "base", "--candidate", "worse", *margin, cwd=folders)
    assert done.returncode == 0
    assert "shown, but within the margin" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--baseline", "base"], ["--rerun", "HEAD"]])
def test_half_a_question_is_a_mistake(folders, arguments):
    done = bench("gate", *arguments, cwd=folders)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_gate_loads_no_framework():
    code = (
        "import sys, bench.gate, bench.gate.command\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_baseline_is_replaced_for_a_reason_that_is_kept(folders, tmp_path):
    target = publish(folders / "base", tmp_path, reason="first")
    publish(folders / "worse", tmp_path, reason=" the tokenizer was mended ")
    plain = json.loads((target / "baseline.json").read_text())
    assert plain["schema"] == 1
    assert [entry["reason"] for entry in plain["history"]] == ["first", "the tokenizer was mended"]
    commits = sorted({record.provenance.commit for record in ROW.records})
    assert plain["history"][0] == {"reason": "first", "from": [], "to": commits}
    assert plain["history"][1]["from"] == commits
    done = bench("gate", "--baseline", target, "--candidate", folders / "worse", cwd=folders)
    assert done.returncode == 0


def test_without_a_reason_a_baseline_stays(folders, tmp_path):
    publish(folders / "base", tmp_path)  # a published folder is no baseline yet
    publish(folders / "base", tmp_path)
    target = publish(folders / "base", tmp_path, reason="first")
    before = {p.name: p.read_bytes() for p in target.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match="say why"):
        publish(folders / "worse", tmp_path)
    done = bench("publish", "worse", "--results", tmp_path, "--reason", "  ", cwd=folders)
    assert done.returncode == 2
    assert "must not be empty" in done.stderr
    assert {p.name: p.read_bytes() for p in target.rglob("*") if p.is_file()} == before
    for text, says in (("{", "is damaged"), ('{"schema": 9, "history": []}', "newer")):
        (target / "baseline.json").write_text(text)
        with pytest.raises(StoreError, match=says):
            publish(folders / "worse", tmp_path, reason="second")
