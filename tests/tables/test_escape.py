import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.core.record import Failure
from bench.tables import board, escape, render

pytestmark = pytest.mark.fault(38, "hostile names in every format")

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b | c",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "https://evil.example www.evil.example",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "＝1",  # noqa: RUF001
    "\x1b[31mred\x1b[0m\x1b]8;;http://x\x07link\x1b]8;;\x07",
    "\x9b31m",
    "abc\u202edcb\u2066\u200b",
    "one\ntwo\r\nthree\u2028four",
    "`code` *bold* __under__ ~~gone~~ $x$",
    "\\input{/etc/passwd} \\write18{ls} %$#_&^~{}",
    "&lt;b&gt; &#124;",
    "]] [[ ||",
    "# title",
    "null\x00byte \ud800 lone",
    "x" * 10_000,
    "",
    " ",
]
texts = (
    st.text() | st.sampled_from(HOSTILE) | st.text(alphabet="<>|[]()`*_~$\\&=+-@!#\"'\x1b\n aj:/")
)
PARSER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
HARMLESS = {"text", "softbreak", "text_special"}


def plain_inline(text):
    return all(child.type in HARMLESS for child in PARSER.parseInline(text)[0].children)


@given(texts)
def test_markdown_words_are_words(text):
    line = escape.markdown(text)
    assert plain_inline(f"a {line} b")
    tokens = PARSER.parse(f"| a | b |\n|---|---|\n| {line} | x |\n")
    assert [t.type for t in tokens].count("td_open") == 2
    shown = [t.content for t in tokens if t.type == "inline"][2]
    assert PARSER.parseInline(shown)[0].children is not None
    assert "://" not in line
    assert "www." not in line


@given(texts)
def test_markdown_shows_the_clean_word(text):
    children = PARSER.parseInline(f"a{escape.markdown(text)}b")[0].children
    assert "".join(child.content for child in children) == f"a{escape.clean(text)}b"


@given(texts)
def test_clean_words_are_one_line_of_what_can_be_seen(text):
    line = escape.clean(text)
    assert len(line) <= escape.LONGEST
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert escape.clean(line) == line


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [escape.clean, escape.markdown, escape.latex, escape.csv])
def test_hostile_names_lose_what_cannot_be_seen(kind, name):
    shown = {unicodedata.category(c) for c in kind(name)}
    assert not shown & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_ordinary_names_stay_readable():
    name = "hub:models/BAAI/bge-small_en-v1.5@5c38ec7 (pooling=cls, max_length=128)"
    assert escape.markdown(name) == escape.csv(name) == name
    assert escape.clean("日本語 é ß") == "日本語 é ß"


@given(texts)
def test_no_cell_is_a_formula(text):
    cell = escape.csv(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(texts)
def test_latex_words_have_no_command_but_ours(text):
    line = escape.latex(text)
    ours = r"\\text(?:backslash|asciicircum|asciitilde|less|greater|bar|asciigrave)\{\}"
    rest = re.sub(ours, "", line)
    rest = re.sub(r"\\[{}&%$#_]|\{[\[\]*]\}", "", rest)
    assert not set(rest) & set('\\{}&%$#_^~<>|"[]`')


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert_in_every_table(make, name):
    outside = {"task": name, "backbone": name, "method": name, "modality": "text"}
    stored = name.encode("utf-8", "replace").decode()  # records are UTF-8
    outside = {key: stored if value == name else value for key, value in outside.items()}
    make.draws(2, **outside)
    make.draws(2, **{**outside, "task": "other"})
    make.cell(**{**outside, "method": "m"}, failure=Failure(kind=stored, message=stored))
    make.draws(2, **outside, control="self", seed=1)
    make.store.write_suite({"name": stored, "version": 1})
    found = board(make.store)

    text = render(found, "md")
    tokens = PARSER.parse(text)
    assert "html_block" not in {t.type for t in tokens}
    inline = {child.type for t in tokens if t.type == "inline" for child in t.children}
    assert inline <= HARMLESS
    assert [t.type for t in tokens].count("table_open") == 5
    assert [t.type for t in tokens].count("heading_open") == 6

    rows = list(csv.reader(io.StringIO(render(found, "csv"))))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not any(cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row)
    assert "\x1b" not in text + render(found, "csv") + render(found, "latex")

    plain = render(found, "json")
    assert not set(plain) & set("<>&\x1b\u202e")
    assert plain.isascii()
    assert json.loads(plain)["suite"] == stored

    tex = render(found, "latex")
    assert tex.count(r"\begin{tabular}") == tex.count(r"\begin{table}") == 5
    assert r"\input" not in tex
    assert r"\write" not in tex
