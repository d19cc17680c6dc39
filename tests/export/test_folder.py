"""What a published folder holds beside its records is derived from them, and noticed when not."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from bench.cli import main
from bench.core.errors import StoreError, UserError
from bench.export import check, export, write, write_all
from bench.export.overview import overview
from bench.store import Store, to_bytes

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def smoke(tmp_path):
    """A copy of a published folder, in a folder of results of its own."""
    folder = tmp_path / "results/smoke"
    shutil.copytree(RESULTS / "smoke", folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def call(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code or 0


@pytest.mark.parametrize("name", [path.parent.name for path in RESULTS.glob("*/suite.json")])
def test_every_published_number_comes_from_a_record(name):
    assert check(RESULTS / name) == []


def test_writing_again_changes_nothing(smoke):
    before = files(smoke)
    write(smoke)
    assert files(smoke) == before


@pytest.mark.parametrize("name", ["leaderboard.json", "leaderboard.tex", "model-index.yaml"])
def test_a_number_of_somebody_elses_is_noticed(smoke, name, monkeypatch, capsys):
    text = (smoke / name).read_text(encoding="utf-8")
    digit = next(i for i, character in enumerate(text) if character in "12345678")
    (smoke / name).write_text(
        f"{text[:digit]}{int(text[digit]) + 1}{text[digit + 1 :]}", encoding="utf-8"
    )
    assert call(monkeypatch, "publish", smoke, "--check") == 1
    assert f"{name}: not what the records give" in capsys.readouterr().err
    write(smoke)
    assert call(monkeypatch, "publish", smoke, "--check") == 0


def test_what_is_gone_or_too_many_is_noticed_and_mended(smoke):
    (smoke / "leaderboard.csv").unlink()
    (smoke / "mteb/none").mkdir(parents=True)
    (smoke / "mteb/none/SomeTask.json").write_text("{}")
    assert [line.rpartition(": ")[2] for line in check(smoke)] == [
        "not there, though the records give it",
        "the records give none",
    ]
    write(smoke)
    assert check(smoke) == []


def test_the_page_over_all_is_current():
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == overview(RESULTS), "make tables"


def test_the_page_has_a_section_of_a_screen_for_each_suite(smoke):
    paths = write_all(smoke.parent)
    assert paths[-1] == smoke.parent / "README.md"
    sections = overview(RESULTS).split("\n## ")[1:]
    assert [s.partition("\n")[0] for s in sections[:-1]] == sorted(
        path.parent.name for path in RESULTS.glob("*/suite.json")
    )
    assert max(section.count("\n") for section in sections) <= 30
    for section in sections[:-1]:
        assert "/leaderboard.md)" in section
        assert "[everything]" in section


def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(StoreError, match="no published folder"):
        overview(tmp_path)
    with pytest.raises(UserError, match="--write"):
        export(RESULTS / "smoke", "all")
    assert call(monkeypatch, "export", "mteb", RESULTS / "smoke", "--write") == 2
    assert "redirect the output" in capsys.readouterr().err


def test_hostile_names_stay_inert(tmp_path):
    """They leave no folder, break out of no table, and add no key to a card."""
    source, target = Store(RESULTS / "mteb-banking77"), Store(tmp_path / "results/named")
    name = "../../x | <script>\x1b[31m\n- type: accuracy\n  value: 1 [x](https://e.vil) `y`"
    for record in source.final():
        changed = dataclasses.replace(record, backbone=name, method=name)
        target.add(changed, to_bytes(source.predictions(record)))
    target.write_suite({"name": name, "version": 1, "description": name})
    paths = write_all(tmp_path / "results")
    assert all(path.resolve().is_relative_to(target.folder.parent) for path in paths)
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    assert check(target.folder) == []
    (document,) = yaml.safe_load_all((target.folder / "model-index.yaml").read_text())
    assert list(document) == ["model-index"]
    (result,) = document["model-index"][0]["results"]
    assert [metric["type"] for metric in result["metrics"]] == ["accuracy", "f1"]
    assert "\x1b" not in document["model-index"][0]["name"]
    page = (tmp_path / "results/README.md").read_text(encoding="utf-8")
    for raw in ("<script>", "\x1b", "](https", "`y`"):
        assert raw not in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
