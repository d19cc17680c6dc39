"""Pages and what they are made of."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench.core.record import Failure
from bench.store import Store
from tests.tables.conftest import Maker

ROOT = Path(__file__).parents[2]


@dataclass
class Page:
    """A page as a parser reads it."""

    tags: Counter = field(default_factory=Counter)  # by name and names of attributes
    values: list[tuple[str, str, str]] = field(default_factory=list)  # tag, attribute, value
    texts: dict[str, list[str]] = field(default_factory=dict)  # of script, style, title, ...
    tables: list[tuple[str, list[list[str]]]] = field(default_factory=list)  # class, rows
    rows: list[dict[str, str]] = field(default_factory=list)  # attributes of table rows

    @property
    def data(self) -> dict:
        return json.loads(self.texts["script"][0])


class Reader(HTMLParser):
    """Reads a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self.inside, self.cell = Page(), "", False

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        given = dict(attrs)
        assert len(given) == len(attrs), (tag, attrs)
        self.page.tags[tag, tuple(sorted(given))] += 1
        self.page.values += [(tag, name, value or "") for name, value in attrs]
        self.page.texts.setdefault(tag, []).append("")
        if tag == "table":
            self.page.tables.append((given.get("class", ""), []))
        elif tag == "tr":
            self.page.tables[-1][1].append([])
            self.page.rows.append(given)
        elif tag in {"td", "th"}:
            self.page.tables[-1][1][-1].append("")
            self.cell = True

    def handle_data(self, data):
        if self.inside:
            self.page.texts[self.inside][-1] += data
        if self.cell:
            self.page.tables[-1][1][-1][-1] += data

    def handle_endtag(self, tag):
        self.inside = ""
        self.cell = self.cell and tag not in {"td", "th"}


@pytest.fixture(scope="session")
def read():
    def reading(text: str) -> Page:
        reader = Reader()
        reader.feed(text)
        reader.close()
        return reader.page

    return reading


@pytest.fixture
def make(tmp_path, monkeypatch) -> Maker:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # of making records
    store = Store(tmp_path / "run")
    store.write_suite({"name": "shown", "version": 3, "description": "A suite", "draws": 3})
    return Maker(store)


@pytest.fixture(scope="session")
def fill():
    """One of everything: ties, sizes, controls, a failure, a combination that does not apply."""

    def filling(make: Maker, name: str = "news") -> None:
        for task in (name, "topics"):
            make.draws(3, task=task, backbone=name, scores=[0.5, 0.7], phases={"fit": 2.0})
            make.draws(3, task=task, method="knn", accuracy=0.6, phases={"fit": 0.5})
            make.draws(3, task=task, method="ridge", accuracy=0.6, scores=[0.4, 0.6])
        failure = Failure(kind="killed", message=f"signal 9, {name}", tail="a\n  b")
        make.draws(2, task=name, method="lora", bytes_peak=None)
        make.cell(task=name, method="lora", draw=2, failure=failure)
        make.draws(3, task=name, backbone=name, control="shuffled-labels", accuracy=0.25)
        for per_class, accuracy in ((2, 0.5), (8, 0.7), (32, 0.8)):
            curve = {"task": "digits", "modality": "image", "backbone": "pixels"}
            make.draws(2, **curve, per_class=per_class, accuracy=accuracy)
        skipped = {"task": name, "backbone": "x", "method": "y", "reason": f"no {name}"}
        suite = {"name": name, "version": 3, "description": f"About {name}", "draws": 3}
        make.store.write_suite({**suite, "skipped": [skipped]})

    return filling
