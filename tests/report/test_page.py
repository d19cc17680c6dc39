"""The page as bytes: what it holds, and what it can never do."""

import base64
import hashlib
import json
import re
import unicodedata
from collections import Counter

import pytest

from bench.report import html, write
from bench.store import Store
from bench.tables import board, cells, table
from bench.tables.sections import sections
from tests.report.conftest import ROOT
from tests.tables.conftest import Maker
from tests.tables.test_escape import HOSTILE

DEFAULT = ROOT / "results" / "default"


@pytest.fixture(scope="module")
def text():
    return html(DEFAULT)


@pytest.fixture(scope="module")
def page(text, read):
    return read(text)


def test_it_is_small_and_the_same_every_time(text):
    assert len(text.encode()) < 3_000_000
    assert html(DEFAULT) == text


def test_nothing_runs_or_loads_but_what_its_policy_names(page):
    (policy,) = [value for _, name, value in page.values if name == "content" and "src" in value]
    parts = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == ["'none'"]
    assert set(parts) == {"default-src", "style-src", "script-src", "base-uri", "form-action"}
    for kind, inside in (
        ("style-src", page.texts["style"]),
        ("script-src", page.texts["script"][1:]),
    ):
        (content,) = inside
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert parts[kind] == [f"'sha256-{digest}'"]


def test_nothing_points_outside(page):
    loading = {"src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster"}
    assert all(value.startswith("#") for _, name, value in page.values if name in loading)
    names = {name for _, name, _ in page.values}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object", "embed", "base"}
    assert not re.search(r"url\(|@import", page.texts["style"][0])
    script = page.texts["script"][1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval|fetch|XMLHttp|import\(", script)
    assert re.findall(r"https?:[^\"]*", script) == ["http://www.w3.org/2000/svg"]  # a name


def test_links_have_a_place_to_go(page):
    places = {value for _, name, value in page.values if name == "id"}
    assert {value[1:] for _, name, value in page.values if name == "href"} <= places


def test_every_cell_of_a_table_is_one_of_the_markdown_table(page):
    """The page formats nothing anew: its tables are those of `bench table`."""
    found = sections(board(Store(DEFAULT)))
    tables = [rows for kind, rows in page.tables if kind not in {"ledger", "budget"}]
    for rows, section in zip(tables, found, strict=True):
        columns = [c for c in section.columns if c.head != "records"]
        assert rows[0] == [column.head for column in columns]
        assert rows[1:] == [list(row) for row in zip(*(c.cells for c in columns), strict=True)]


def test_every_number_is_in_the_json_table(page):
    known = json.loads(table(DEFAULT, "json"))["rows"]
    plain = [row for row in known if row["control"] is None]
    shown = [row for kind, rows in page.tables if kind == "problem" for row in rows[1:]]
    assert len(shown) == len(plain)
    for row, cell in zip(plain, shown, strict=True):
        value = cells.interval(row["value"], row["low"], row["high"], row["metric"])
        f1 = cells.interval(*(row[f"macro_f1{end}"] for end in ("", "_low", "_high")), "macro_f1")
        assert cell[2:5] == [row["backbone"], row["method"], value]
        assert f1 in cell
        assert f"{row['n']:,}" in cell
        assert cells.amount(row["seconds"]) in cell


def test_every_row_leads_to_its_records(page):
    known = {record.run_id: record for record in Store(DEFAULT).final()}
    records = page.data["records"]
    assert [one["run"] for one in records] == list(known)
    for one in records:
        record = known[one["run"]]
        assert one["date"] == record.provenance.date
        assert one["predictions"] == record.predictions
        assert (DEFAULT / "records" / f"{one['run']}.{one['attempt']}.json").is_file()
        facts = page.data["settings"][one["setting"]]["facts"]
        assert record.provenance.commit in facts["commit"]
        assert record.provenance.device_name in facts["device"]
    rows = board(Store(DEFAULT)).rows
    for given in page.rows:
        if "data-row" in given:
            at = [int(place) for place in given["data-at"].split()]
            row = rows[int(given["data-row"])]
            assert {records[place]["run"] for place in at} <= set(row.run_ids)
            assert at


def test_the_ledger_has_energy_and_what_it_is_of_where_there_is_some(make):
    make.cell(method="probe")
    assert "energy J" not in html(make.store.folder)
    make.cell(method="lora", energy=1234.0)
    text = html(make.store.folder)
    for part in ("energy J", "1,234", "by its own counter", "5 s or more."):
        assert part in text


def test_each_figure_is_there(make, fill, read):
    fill(make)
    text = html(make.store.folder)
    page = read(text)
    names = Counter(value for tag, name, value in page.values if name == "data-plot")
    assert names == {"seconds": 7, "trials": 5, "labels": 1}
    assert {"#overall", "#labels", "#ledger", "#failures", "#controls", "#skipped"} <= {
        value for _, name, value in page.values if name == "href"
    }
    assert "signal 9, news" in text
    assert page.data["records"][0]["of"][0] in {"news", "topics", "digits"}
    (failed,) = [one for one in page.data["records"] if "failure" in one]
    assert failed["failure"] == {
        "kind": "killed",
        "message": "signal 9, news",
        "tail": "a\n  b",
    }


def test_a_run_without_a_record_is_a_page(make, read):
    page = read(html(make.store.folder))
    assert "no records yet" in "".join(page.texts["p"])
    assert page.data == {"records": [], "settings": [], "classes": [], "rows": []}


@pytest.fixture(scope="module")
def harmless(fill, read, tmp_path_factory):
    make = Maker(Store(tmp_path_factory.mktemp("harmless")))
    fill(make, "harmless")
    return read(html(make.store.folder))


@pytest.mark.fault(38, "hostile names in every format")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_change_no_element(make, fill, read, harmless, name):
    stored = name.encode("utf-8", "replace").decode()  # records are UTF-8
    fill(make, stored)
    text = html(make.store.folder)
    page = read(text)
    assert page.tags.keys() == harmless.tags.keys()
    changed = {tag for tag in page.tags if page.tags[tag] != harmless.tags[tag]}
    assert changed <= {("path", ("class", "d")), ("text", ("class", "text-anchor", "x", "y"))}, (
        "scores depend on names here, and so may ticks, and nothing else"
    )
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}
    assert {c for c in text if unicodedata.category(c) in hidden} <= {"\n"}
    kept = [str(value) for one in page.data["records"] for value in one["of"]]
    assert not {c for word in kept for c in word if unicodedata.category(c) in hidden}
    assert page.texts["script"][1] == harmless.texts["script"][1]
    assert not set(page.texts["script"][0]) & set("<>&")
    assert page.texts["script"][0].isascii()


def test_names_of_classes_stand_once(make, read):
    """Records with names and without, of one task and of another."""
    names = ("a", "b", "a c", "d")
    make.draws(2, class_names=names)
    make.draws(2, method="knn", class_names=names)
    make.draws(2, task="topics")
    make.store.write_suite({"name": "named", "version": 1})
    data = read(html(make.store.folder)).data
    assert data["classes"] == [list(names)]
    assert sorted(str(row[5]) for row in data["rows"]) == ["0", "0", "None"]


@pytest.mark.fault(38, "hostile names in every format")
def test_hostile_names_of_classes_change_no_element(make, read):
    """Those of a file that something else has written: a cell's own are inert already."""
    names = tuple(name.encode("utf-8", "replace").decode() for name in HOSTILE)
    make.draws(2, class_names=names, classes=len(names))
    make.store.write_suite({"name": "hostile", "version": 1})
    page = read(html(make.store.folder))
    assert page.tags["script", ()] == page.tags["script", ("id", "type")] == 1
    (kept,) = page.data["classes"]
    assert len(kept) == len(HOSTILE)
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}
    assert not {c for name in kept for c in name if unicodedata.category(c) in hidden}
    assert not set(page.texts["script"][0]) & set("<>&")


def test_it_is_written_where_it_should_be(make, fill, tmp_path):
    fill(make)
    folder = make.store.folder
    assert write(folder) == folder / "report.html"
    assert write(str(folder), tmp_path / "other.html") == tmp_path / "other.html"
    assert (folder / "report.html").read_bytes() == (tmp_path / "other.html").read_bytes()
