"""The page in a real browser, from file://, as a mouse, a keyboard and a phone use it."""

import json
import shutil
import subprocess
import tarfile

import pytest

from bench.report import write
from bench.store import Store
from tests.report.chromium import browser, found
from tests.report.conftest import ROOT
from tests.tables.conftest import Maker
from tests.tables.test_escape import HOSTILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(found() is None, reason="no chromium is installed (apt install chromium)"),
]
AXE = "axe-core@4.14.1"
DESK, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory, fill):
    """A published suite, and one with everything that a page can show."""
    root = tmp_path_factory.mktemp("pages")
    full = Maker(Store(root / "full"))
    fill(full)
    return {
        "default": write(ROOT / "results" / "default", root / "default.html"),
        "full": write(full.store.folder, root / "full.html"),
    }


@pytest.fixture
def page(chrome, files):
    """A fresh look at a page, which must have asked for nothing and complained of nothing."""

    def opened(name="default", size=DESK, **how):
        chrome.screen(*size, **how)
        chrome.open(files[name])
        return chrome

    chrome.requests.clear()
    chrome.complaints.clear()
    yield opened
    assert chrome.complaints == []
    assert {url.partition(":")[0] for url in chrome.requests} == {"file"}
    assert all(url.endswith(".html") for url in chrome.requests)


SCORES = (
    "[...document.querySelectorAll('table.problem')[2].tBodies[0].rows]"
    ".map(row => parseFloat(row.cells[4].textContent))"
)


def test_columns_sort_by_mouse_and_keyboard(page):
    chrome = page()
    chrome.run("document.querySelectorAll('table.problem')[2].querySelectorAll('.sort')[4].click()")
    assert chrome.run(SCORES) == sorted(chrome.run(SCORES))
    heads = "document.querySelectorAll('table.problem')[2].tHead.rows[0].cells[4]"
    assert chrome.run(f"{heads}.getAttribute('aria-sort')") == "ascending"
    chrome.run(f"{heads}.querySelector('button').focus()")
    chrome.press("Enter")
    assert chrome.run(SCORES) == sorted(chrome.run(SCORES), reverse=True)
    assert chrome.run(f"{heads}.getAttribute('aria-sort')") == "descending"


SHOWN = "[...document.querySelectorAll('table.problem tbody tr')].filter(r => r.offsetParent)"


def test_rows_are_filtered_and_figures_with_them(page):
    chrome = page()
    assert chrome.run(f"{SHOWN}.length") == 22
    change = "dispatchEvent(new Event('input', {bubbles: true}))"
    chrome.run(f"filter.elements.find.value = 'raw knn'; filter.elements.find.{change}")
    assert chrome.run(f"{SHOWN}.map(r => r.dataset.b + r.dataset.m)") == ["raw-pixelsknn"]
    assert chrome.run("count.textContent") == "1 of 22 rows"
    marks = "[...document.querySelectorAll('#p2 svg[data-plot=seconds] g.item:not(.off)')]"
    assert "raw-pixels / knn" in chrome.run(f"{marks}.map(m => m.textContent).join(' ')")
    chrome.run("document.querySelector('#filter [type=reset]').click()")
    chrome.run("new Promise(done => setTimeout(done, 50))")
    assert chrome.run(f"{SHOWN}.length") == 22
    chrome.run(f"front.checked = true; front.{change}")
    assert chrome.run(f"{SHOWN}.every(r => r.cells[1].textContent === 'yes')")
    chrome.run(
        f"front.checked = false; document.getElementById('by-task').selectedIndex = 2;"
        f"front.{change}"
    )
    assert chrome.run(f"{SHOWN}.length") == 6


def test_each_figure_is_seen(page):
    chrome = page("full")
    shown = "[...document.querySelectorAll('figure svg.plot:not([hidden])')]"
    boxes = chrome.run(
        f"{shown}.map(s => [s.getBoundingClientRect().width, s.querySelectorAll('.item').length])"
    )
    assert len(boxes) > 8
    assert all(width > 250 and marks for width, marks in boxes)
    chrome.run("document.querySelector('[data-show=trials] ~ [data-show=seconds]').click()")
    assert (
        chrome.run("[...document.querySelectorAll('[data-show=trials]')][0].ariaPressed") == "false"
    )


def test_a_row_opens_with_its_figures_and_records(page):
    chrome = page()
    chrome.run("document.querySelector('table.problem button.open').focus()")
    chrome.press("Enter")
    assert chrome.run("row.open")
    heads = chrome.run("[...row.querySelectorAll('h3')].map(h => h.textContent)")
    assert heads == [
        "Numbers", "Confusion matrix", "Reliability diagram", "What its cells cost",
        "Records (3)", "Ran with",
    ]  # fmt: skip
    assert chrome.run("row.querySelectorAll('table.matrix td').length") == 64
    assert chrome.run("row.querySelectorAll('svg.reliable circle').length") > 5
    text = chrome.run("row.innerText")
    store = Store(ROOT / "results" / "default")
    for record in [r for r in store.final() if (r.task, r.method) == ("reuters-r8", "tfidf")]:
        assert record.run_id in text
        assert record.predictions in text
        assert record.provenance.date in text
        assert record.provenance.commit in text
    chrome.press("Escape")
    assert not chrome.run("row.open")
    assert chrome.run("document.activeElement.className") == "open"


LONG = "a class whose name goes on and on"


@pytest.fixture(scope="module")
def named(tmp_path_factory, files):
    """Few classes with names, many, and few without."""
    store = Store(tmp_path_factory.mktemp("named"))
    few = (LONG, "", "<img src=x onerror=alert(1)>", "d")
    Maker(store).draws(2, task="few", class_names=few)
    Maker(store).draws(2, task="many", classes=20, class_names=tuple(f"c{i}" for i in range(20)))
    Maker(store).draws(2, task="none")
    store.write_suite({"name": "named", "version": 1})
    files["named"] = write(store.folder, store.folder / "named.html")


def opened(chrome, task):
    chrome.run(f"document.querySelector('table.problem tr[data-t^={task}] button.open').click()")


@pytest.mark.usefixtures("named")
def test_classes_have_their_names(page):
    chrome = page("named")
    opened(chrome, "few")
    for way in ("thead th:not(:first-child)", "tbody th"):
        heads = f"[...row.querySelectorAll('.matrix {way}')]"
        texts = chrome.run(f"{heads}.map(h => h.textContent)")
        assert texts == ["a class whose nam\u2026", "1", "<img src=x onerro\u2026", "d"]
        titles = chrome.run(f"{heads}.map(h => h.title)")
        assert titles == [LONG, "", "<img src=x onerror=alert(1)>", ""]
    words = chrome.run("[...row.querySelectorAll('details td.words')].map(d => d.textContent)")
    assert {"a class whose nam\u2026", "1", "<img src=x onerro\u2026", "d"} == set(words)
    assert chrome.run("row.querySelectorAll('img').length") == 0
    chrome.run("row.close()")
    opened(chrome, "many")
    titles = chrome.run("[...row.querySelectorAll('.heat title')].map(t => t.textContent)")
    assert any(title.startswith("true c7, predicted c7: ") for title in titles)
    chrome.run("row.close()")
    opened(chrome, "none")
    heads = "[...row.querySelectorAll('.matrix tbody th')].map(h => h.textContent)"
    assert chrome.run(heads) == ["0", "1", "2", "3"]
    assert "Class ids, true down" in chrome.run("row.innerText")


@pytest.mark.usefixtures("named")
def test_names_of_classes_need_no_scrolling_sideways_on_a_phone(page):
    chrome = page("named", PHONE)
    opened(chrome, "few")
    chrome.run("row.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert chrome.run("row.scrollWidth <= row.clientWidth")


def test_a_failure_says_why(page):
    chrome = page("full")
    chrome.run("document.querySelector('#failures button.open').click()")
    text = chrome.run("row.innerText")
    assert "Failed cells: 1 of 1" in text
    assert "signal 9, news" in text


@pytest.mark.parametrize("name", ["default", "full"])
def test_a_phone_need_not_scroll_sideways(page, name):
    chrome = page(name, PHONE)
    assert chrome.run("document.documentElement.scrollWidth") <= PHONE[0]
    assert not chrome.run("document.querySelector('.extra').offsetParent")
    chrome.run("document.querySelector('button.columns').click()")
    assert chrome.run("document.querySelector('.extra').offsetParent !== null")
    chrome.run("document.querySelector('table.problem button.open').click()")
    assert chrome.run("row.scrollWidth <= row.clientWidth")


def test_the_dark_is_dark(page):
    light = page().run("getComputedStyle(document.body).backgroundColor")
    assert light == "rgb(255, 255, 255)"
    dark = page(dark=True).run("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, dark[4:-1].split(","))) < 40


def test_hostile_names_do_nothing(page, files, fill, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    store = Store(tmp_path / "hostile")
    for name in ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", *HOSTILE]:
        stored = name.encode("utf-8", "replace").decode()
        Maker(store).draws(2, task=stored, backbone=stored, method=stored)
    store.write_suite({"name": "</title><script>alert(1)</script>", "version": 1})
    files["hostile"] = write(store.folder, tmp_path / "hostile.html")
    chrome = page("hostile")
    chrome.run("window.alert = () => { throw new Error('it ran'); }")
    assert chrome.run("document.scripts.length") == 2
    assert chrome.run("document.images.length + document.querySelectorAll('iframe').length") == 0
    for i in range(chrome.run("document.querySelectorAll('button.open').length")):
        chrome.run(f"document.querySelectorAll('button.open')[{i}].click(); row.close()")
    assert chrome.run("document.scripts.length") == 2
    assert chrome.run("row.querySelectorAll('script, img, a, iframe').length") == 0


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The accessibility checker, by its own package manager."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("no npm is installed, which axe-core comes by")
    done = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{AXE} cannot be had here: {done.stderr[-200:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        return packed.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("name", ["default", "full"])
@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_fault(page, axe, name, size, dark):
    chrome = page(name, size, dark=dark)
    for opened in (False, True):
        if opened:
            chrome.run("document.querySelector('table.problem button.open').click()")
        chrome.run(f"(() => {{ {axe} }})(); 1")
        found = chrome.run(
            "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify("
            "r.violations.map(v => [v.id, v.impact, v.nodes[0].html])))"
        )
        assert json.loads(found) == []
