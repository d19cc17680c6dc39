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


def lines(text: str, longest: int = 2000) -> str:
    """Several lines for a terminal, each as `clean` has it, its indentation kept."""
    kept = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        kept.append(" " * indent + clean(line, longest))
    return "\n".join(kept)
