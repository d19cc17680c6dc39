"""Write docs/commands/*.md: a page per command, from the command's own help.

`python tests/tools/command_pages.py` writes; a test says where a page is behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from bench.cli import app

FOLDER = Path(__file__).parents[2] / "docs" / "commands"
WIDTH = 96
MADE = "<!-- from the command's own help: make command-pages -->"


def commands() -> Iterator[tuple[str, Any, str]]:
    """Each command: what one types, the command, and its help as a terminal of `WIDTH` shows it."""
    root = get_command(app)
    with root.make_context("bench", [], resilient_parsing=True) as top:
        yield from _below(root, top, ("bench",))


def _below(command: Any, context: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any, str]]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    if not below:
        yield " ".join(words), command, command.get_help(context)
    for name in sorted(below):
        with below[name].make_context(
            name, [], parent=context, resilient_parsing=True, max_content_width=WIDTH,
            terminal_width=WIDTH,
        ) as inner:  # fmt: skip
            yield from _below(below[name], inner, (*words, name))


def pages() -> dict[str, str]:
    """Every page by its file name."""
    found, lines = {}, []
    for words, command, told in commands():
        name = "-".join(words.split()[1:]) + ".md"
        plain = "\n".join(line.rstrip() for line in told.splitlines())
        found[name] = f"# {words}\n\n{MADE}\n\n```text\n{plain}\n```\n"
        lines.append(f"- [{words}]({name}): {_first(command)}")
    found["README.md"] = "\n".join(["# Commands", "", MADE, "", *lines, ""])
    return found


def _first(command: Any) -> str:
    """The first sentence or paragraph of a command's help."""
    return " ".join(str(command.help).partition("\n\n")[0].split())


def main() -> None:
    """Write every page, and remove those of commands that are gone."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
