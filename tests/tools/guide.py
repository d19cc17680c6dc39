"""docs/guide.md: run its commands in a folder of their own, and write what they print into it.

A block of `sh` is run as it stands. After it may come `<!-- stdout -->` or `<!-- stderr -->`,
up to `<!-- end -->`: what the block printed, Markdown as it is (headings become bold lines, the
legend a dot), anything else in a block of text. `python -m tests.tools.guide` writes the page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.assets import cache_folder

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide.md"
LINE = 700
"""Characters from which on a line of output is a legend, which the page does not repeat."""

RECORD = re.compile(r"\b[0-9a-f]{8,64}\b")
"""What names a record, or begins its name."""
_SHELL = re.compile(r"^```sh\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"(?<=<!-- )(stdout|stderr)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, where they end in the page, and where the next block begins."""

    commands: str
    end: int
    next: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a block printed."""

    block: Block
    stdout: str
    stderr: str


def blocks(text: str) -> list[Block]:
    """The blocks of commands of a page, in order."""
    found = list(_SHELL.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [Block(m[1], m.end(), after) for m, after in zip(found, ends, strict=True)]


def run(
    text: str, folder: Path, renamed: Callable[[Block], dict[str, str]] = lambda _: {}
) -> Iterator[Ran]:
    """Run the blocks of a page in `folder`, one after another.

    `renamed` are records that a block's commands name otherwise now.

    Raises:
        RuntimeError: with what a block that fails has printed.
    """
    for name in ("examples", "suites"):
        shutil.copytree(ROOT / name, folder / name)
    cache = folder / "cache"
    cache.mkdir()
    (cache / "assets").symlink_to(cache_folder() / "assets", target_is_directory=True)
    environment = {  # what was fetched is there; what is computed is computed here
        **os.environ,
        "BENCH_CACHE": str(cache),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for block in blocks(text):
        commands = replaced(block.commands, renamed(block))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{commands}\n{done.stdout}{done.stderr}")
        yield Ran(block, done.stdout, done.stderr)


def shown(printed: str) -> str:
    """Output as the page has it."""
    lines = [line.rstrip() for line in printed.strip().splitlines()]
    if not any(line.startswith("|") for line in lines):
        return "\n".join(["```text", *lines, "```"]) + "\n"
    kept = []
    for line in lines:
        if line.startswith("#"):
            kept.append(f"**{line.lstrip('# ')}**")
        elif len(line) < LINE or line.startswith("|"):
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n" + "\n".join(kept)) + "\n\n"


def rewritten(text: str, ran: list[Ran]) -> str:
    """The page with what was printed, its last block first so that places stay."""
    for one in reversed(ran):
        after = text[one.block.end : one.block.next]
        made = _OUTPUT.sub(
            lambda match, one=one: f"{match[1]}{match[2]}{shown(getattr(one, match[1]))}", after
        )
        text = text[: one.block.end] + made + text[one.block.next :]
    return text


def outputs(text: str, block: Block) -> list[tuple[str, str]]:
    """What a page shows of a block: which stream, and the text."""
    return [(m[1], m[3]) for m in _OUTPUT.finditer(text[block.end : block.next])]


def replaced(text: str, names: Mapping[str, str]) -> str:
    """The text with other names of records."""
    return RECORD.sub(lambda match: names.get(match[0], match[0]), text)


def main() -> None:
    """Write the page anew; records that its commands name are those in the same places of what was
    printed before."""
    text = PAGE.read_text(encoding="utf-8")
    ran: list[Ran] = []

    def renamed(_: Block) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in ran:
            for stream, before in outputs(text, one.block):
                old = RECORD.findall(before)
                new = RECORD.findall(shown(getattr(one, stream)))
                if len(old) == len(new):
                    found |= zip(old, new, strict=True)
        return found

    with tempfile.TemporaryDirectory() as folder:
        for one in run(text, Path(folder), renamed):
            ran.append(one)  # noqa: PERF402 -- what was run names what is run next
    names = renamed(ran[-1].block)
    for one in reversed(ran):
        stop = one.block.end - len("```\n")
        start = stop - len(one.block.commands)
        text = text[:start] + replaced(text[start:stop], names) + text[stop:]  # as long as before
    PAGE.write_text(rewritten(text, ran), encoding="utf-8")


if __name__ == "__main__":
    main()
