"""The documentation site: every page is in its navigation, and links out of docs/ have a place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, links
from tests.tools.site import mended

DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
HOST = "https://code.example/a/b/"


def named(nav: Any) -> Iterator[str]:
    """Pages of a navigation, however deep."""
    if isinstance(nav, str):
        yield nav
        return
    for inner in nav.values() if isinstance(nav, dict) else nav:
        yield from named(inner)


def test_every_page_is_in_the_navigation_once():
    there = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert sorted(named(SITE["nav"])) == there, "nav of mkdocs.yml has other pages than docs/"


def test_what_it_is_built_from_is_there_and_what_it_builds_is_ignored():
    assert (ROOT / SITE["docs_dir"]).resolve() == DOCS
    assert all((ROOT / hook).is_file() for hook in SITE["hooks"])
    assert SITE["site_dir"].split("/")[0] + "/" in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("url", [None, HOST])
def test_no_link_of_a_page_leads_out_of_the_site(url):
    for path in DOCS.rglob("*.md"):
        name = path.relative_to(DOCS).as_posix()
        text = mended(path.read_text(encoding="utf-8"), name, url)
        for link in links(text):
            if "://" in link:
                assert HOST not in link or (ROOT / link.split("/blob/HEAD/")[1]).exists()
                continue
            place = (path.parent / link.partition("#")[0]).resolve()
            assert place.is_relative_to(DOCS), f"{name}: {link}"


def test_links_out_of_docs_lead_to_the_host_or_say_what_they_are_of():
    text = "A [b `c`](../../results/x.md#y), [in](../z.md), ![p](../../p.svg) `[n](../../no.md)`."
    assert mended(text, "methods/m.md", HOST) == (
        f"A [b `c`]({HOST}blob/HEAD/results/x.md#y), [in](../z.md), [p]({HOST}blob/HEAD/p.svg)"
        " `[n](../../no.md)`."
    )
    assert mended(text, "methods/m.md", None) == (
        "A b `c` (`results/x.md` in the repository), [in](../z.md), p (`p.svg` in the repository)"
        " `[n](../../no.md)`."
    )
    fenced = "```\n[x](../../y.md)\n```\n"
    assert mended(fenced, "methods/m.md", None) == fenced
