"""Words from outside made inert in each format; see `bench.core.inert`."""

from __future__ import annotations

import re

from bench.core.inert import LONGEST, clean

_MARKDOWN = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "\\": "&#92;",
    "[": "&#91;", "]": "&#93;", "*": "&#42;", "~": "&#126;", "$": "&#36;", '"': "&quot;",
}  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$",
    "#": r"\#", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}", "*": "{*}",
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 -- spreadsheets take wide ones too


def markdown(text: str, longest: int = LONGEST) -> str:
    """Inert in a markdown cell, heading or line: no markup, HTML, link, code or column."""
    line = "".join(_MARKDOWN.get(c, c) for c in clean(text, longest))
    line = line.replace("://", "&#58;//").replace("www.", "www&#46;")  # bare links
    return re.sub(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])", "&#95;", line)  # inside words it is plain


def latex(text: str, longest: int = LONGEST) -> str:
    """Inert in LaTeX text: every special character is spelled out."""
    return "".join(_LATEX.get(c, c) for c in clean(text, longest))


def csv(text: str, longest: int = LONGEST) -> str:
    """Inert in a spreadsheet: what would start a formula gets an apostrophe before it."""
    line = clean(text, longest)
    return f"'{line}" if line.startswith(_FORMULA) else line
