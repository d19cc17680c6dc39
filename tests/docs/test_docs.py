"""Links lead somewhere, commands are there and do what is shown, derived pages are current."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from typer.main import get_command

from bench import suite_file
from bench.api import throughput
from bench.assets import Lock
from bench.cli import app, main
from bench.runner.plan import make_plan, validated
from bench.runner.throughput.calls import Pace
from tests.docs.pages import ROOT, anchors, links, mentioned, pages, shell_lines
from tests.tools import command_pages, guide

README, SUITES = ROOT / "README.md", ROOT / "docs/suites.md"
THROUGHPUT = ROOT / "docs/throughput.md"
PAGES = [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in pages()]


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in links(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = page if not name else page.parent / name
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        assert target.resolve().is_relative_to(ROOT), f"{page.name} links out: {link}"
        if anchor and target.suffix == ".md":
            there = anchors(target.read_text(encoding="utf-8"))
            assert anchor in there, f"{page.name} links to {link}; headings: {sorted(there)}"


def test_entries_that_are_shown_have_the_form_of_a_suite():
    blocks = re.findall(
        r"^```toml\n(.*?)^```", SUITES.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert blocks
    for block in blocks:
        raw = {"suite": {"name": "shown"}, **tomllib.loads(block)}
        assert suite_file.parse(raw, Path("shown.toml")).mistakes == (), block


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_mentioned_are_there(page):
    for words in mentioned(page.read_text(encoding="utf-8")):
        assert unknown(words) is None, f"{page.name}: {' '.join(words)}"


def unknown(words: list[str]) -> str | None:
    """The first word of a command line that is no command or option, None where there is none."""
    command, rest = get_command(app), words[1:]
    while below := getattr(command, "commands", {}):
        if not rest:
            return None  # `bench results`: of the group
        if rest[0] not in below:
            return rest[0]
        command, rest = below[rest[0]], rest[1:]
    known = {"--help"}.union(*(p.opts + p.secondary_opts for p in command.params))
    options = (word.partition("=")[0].rstrip(",.:;") for word in rest if word.startswith("--"))
    return next((option for option in options if option not in known), None)


def test_what_is_wrong_on_a_page_is_seen():
    """The checks themselves, on pages that are wrong."""
    text = "# A `b` c\n\n[x](y.md#z) ![p](p.svg) `[n](no.md)`\n\n```sh\nbench tabel x  # y\n```\n"
    text += "See `bench table DIR\n--ledgr` and `bench results`.\n"
    assert links(text) == ["y.md#z", "p.svg"]
    assert anchors(text) == {"a-b-c"}
    assert shell_lines(text) == ["bench tabel x"]
    assert [unknown(words) for words in mentioned(text)] == ["--ledgr", None, "tabel"]


def test_targets_of_make_that_are_shown_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages():
        text = page.read_text(encoding="utf-8")
        shown = re.findall(r"(?:`|^)make ([a-z]+(?:-[a-z]+)*)\b", text, re.MULTILINE)
        assert set(shown) <= targets, page


def commands_of_the_readme():
    """Those that time something for a minute and more are for `make test-slow`, and a whole suite,
    which the gate of CI runs, too."""
    for line in shell_lines(README.read_text(encoding="utf-8")):
        slow = line.startswith(("bench throughput", "bench run suites/smoke.toml"))
        yield pytest.param(line, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("line", list(commands_of_the_readme()))
def test_commands_of_the_readme_do_what_they_should(line, tmp_path, monkeypatch, capsys):
    assert line.startswith("bench ")
    for name in ("examples", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "results").symlink_to(ROOT / "results", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert not end.value.code, printed.err
    assert printed.out or printed.err


@pytest.mark.slow
def test_the_guide_is_true(tmp_path):
    """Every command as written; tables have the rows, scores and verdicts that the page shows."""
    text = guide.PAGE.read_text(encoding="utf-8")
    ran = list(guide.run(text, tmp_path))
    assert len(ran) == len(guide.blocks(text)) >= 8
    for one in ran:
        compare(text, one)


def test_records_that_the_guide_names_are_its_suites(tmp_path):
    """Quickly, as the guide itself is run among the slow tests."""
    for name in ("tickets.csv", "ideas.toml", "ideas.lock"):
        shutil.copy(guide.ROOT / "examples" / name, tmp_path / name)
    draft = suite_file.read(tmp_path / "ideas.toml")
    pins = Lock.read(tmp_path / "ideas.lock").pins
    cells = make_plan(validated(draft), pins).cells
    text = guide.PAGE.read_text(encoding="utf-8")
    named = {name for one in guide.blocks(text) for name in guide.RECORD.findall(one.commands)}
    assert named
    assert named <= {cell.run_id[:8] for cell in cells}


def compare(text: str, one: guide.Ran) -> None:
    """What a page shows of a block against what came, times and machines apart."""
    for stream, shown in guide.outputs(text, one.block):
        assert skeleton(shown) == skeleton(guide.shown(getattr(one, stream)))


def skeleton(text: str) -> list[str]:
    """Headings of tables, and their words, without numbers, which machines and days change."""
    return [re.sub(r"[\d.,–−+-]+|\s+|_", "", line) for line in text.splitlines() if "|" in line]  # noqa: RUF001


def test_every_command_has_a_page_and_it_is_current():
    made = command_pages.pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in command_pages.FOLDER.iterdir()}
    assert there == made, "make command-pages writes them anew"


def test_every_suite_is_named_where_they_are_listed():
    text = README.read_text(encoding="utf-8")
    names = [path.stem for path in (ROOT / "suites").glob("*.toml")]
    assert names
    missing = [name for name in names if not re.search(rf"[`/\[]{re.escape(name)}[`/.\]]", text)]
    assert missing == []


@pytest.mark.parametrize("text", [throughput.__doc__, THROUGHPUT.read_text(encoding="utf-8")])
def test_how_long_a_sweep_may_take_unasked_is_said_as_it_is(text):
    assert f"{Pace().sweep_seconds:g} seconds" in text


def test_the_citation_is_of_this_version():
    """Structure as schema 1.2.0 has it (cffconvert --validate finds it valid)."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert found["cff-version"] == "1.2.0"
    assert found["authors"] == [{"name": "adaptbench contributors"}]
    assert str(found["version"]) == project["version"]
    assert found["license"] == project["license"]
    assert set(found) <= {
        "abstract", "authors", "cff-version", "keywords", "license", "message", "title", "type",
        "version",
    }  # fmt: skip
