"""The page from its parts: templates with autoescape, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from bench.core.amounts import counted
from bench.core.inert import clean
from bench.report.blocks import blocks
from bench.report.embed import data
from bench.report.gather import Found
from bench.report.grids import NAME
from bench.tables import words
from bench.tables.views import BUDGET, LEDGER

LONGEST = 4000
SHORT = 36
"""Characters of a name for which there is little room."""


def page(found: Found) -> str:
    """The whole file. It loads nothing: style, script and data stand in it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 0.1 s, for this alone

    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["word"] = lambda text: clean(text, NAME)
    environment.filters["short"] = lambda text: clean(text, SHORT)
    style, script = (environment.get_template(n).render() for n in ("style.css", "script.js"))
    text: str = environment.get_template("page.html").render(
        blocks=blocks(found),
        data=data(found),
        description=str(found.suite.get("description") or ""),
        facts=_facts(found),
        found=found,
        names=_names(found),
        policy=policy(style, script),
        script=script,
        style=style,
        words=words,
        legends={"budget": BUDGET, "ledger": LEDGER},
    )
    return text


def policy(style: str, script: str) -> str:
    """Nothing is allowed but this style and this script, by their digests."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: Any) -> Any:
    """Whatever a template prints has lost what cannot be seen; our own markup stays as it is."""
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return clean(value, LONGEST)


def _names(found: Found) -> Mapping[str, list[str]]:
    """What can be filtered by, in the order of the tables."""
    rows = [row for row in found.board.rows if row.control is None]
    return {
        "task": list(dict.fromkeys(row.problem.title for row in rows)),
        "backbone": sorted({row.backbone for row in rows}),
        "method": sorted({row.method for row in rows}),
    }


def _facts(found: Found) -> list[tuple[str, str]]:
    """What the suite is and on what it ran, a line each."""
    board, suite = found.board, found.suite
    given = suite.get("budget")
    budget: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    days = board.first if board.first == board.last else f"{board.first} to {board.last}"
    said = [
        ("Ran on", "; ".join(board.places)),
        ("Recorded", f"{board.records:,} of {counted(board.cells, 'cell')}, {days}"),
        ("Draws, seeds", f"{suite.get('draws', '?')}, {suite.get('seeds', '?')}"),
        ("Trials a cell", str(budget["trials"]) if budget.get("trials") else ""),
        ("Seconds a cell", str(budget["seconds"]) if budget.get("seconds") else ""),
        ("Failed", counted(len(board.failed), "cell") if board.failed else "none"),
    ]
    return [(name, text) for name, text in said if text]
