"""The Markdown of this repository: its links, and the commands that it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
APART = {".venv", "runs", ".git", "node_modules", "build", "dist"}

_FENCE = re.compile(r"^ *```.*?^ *```\s*?$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`(bench [^`]+)`(?!`)")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def pages() -> list[Path]:
    """Every page, tables that are derived included."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not APART & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def links(text: str) -> list[str]:
    """Targets of links and pictures outside code."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """What a forge calls the headings of a page."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", _FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names


def shell_lines(text: str) -> list[str]:
    """Lines of blocks that a reader would paste into a shell, comments dropped."""
    return [
        shlex.join(words)
        for block in _SHELL.findall(text)
        for line in block.splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def mentioned(text: str) -> Iterator[list[str]]:
    """Words of every `bench ...` that a page mentions, in spans and in blocks."""
    spans = [" ".join(span.split()) for span in _SPAN.findall(_FENCE.sub("", text))]
    lines = [
        line.strip()
        for block in _FENCE.findall(text)
        for line in block.splitlines()
        if re.match(r" *(?:\.venv/bin/)?bench [a-z]", line)
    ]
    for command in [*spans, *lines]:
        bare = re.split(r" \|\|? |;|  +#| # ", command)[0]
        yield re.sub(r"[\[\]|\"'()]", " ", bare).split()
