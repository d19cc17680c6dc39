"""Words from outside made inert: names of data sets and models may hold anything."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LONGEST = 120
"""Characters of a name that a table shows."""

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands (titles, links)
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control and other strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor, erasing
    r"|\x1b[ -/]*[0-~]?"
)
_BLANK = {"Zl", "Zp", "Zs"}  # line and paragraph separators, and spaces of every width
_GONE = {"Cc", "Cf", "Cs", "Co", "Cn"}  # controls, bidi and joiners, surrogates, unassigned

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


@lru_cache(maxsize=4096)  # names repeat from row to row
def clean(text: str, longest: int = LONGEST) -> str:
    """One line without terminal escapes, control characters or marks that turn text round."""
    kept = []
    for character in _ANSI.sub("", text[: 8 * longest]):
        category = unicodedata.category(character)
        if category in _BLANK or character in "\t\n\r\v\f\x85":
            kept.append(" ")
        elif category not in _GONE:
            kept.append(character)
    line = " ".join("".join(kept).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


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
