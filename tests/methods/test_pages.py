"""Every method has a page, and it says what the method's description says."""

from __future__ import annotations

import pytest

from bench.methods import registry
from tests.tools.method_pages import FOLDER, rewritten


@pytest.mark.parametrize("name", list(registry()))
def test_the_page_is_there_and_true(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert rewritten(text, registry()[name].spec) == text, "make method-pages writes it anew"
    assert f"({name}.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")
