"""Rewrite the parts of docs/methods/*.md that the methods' own descriptions say.

A page has prose of its own; between the markers stand the parameters and the search space.
`python tests/tools/method_pages.py` writes; a test says where a page is behind.
"""

from __future__ import annotations

from pathlib import Path

from tabulate import tabulate

from bench.core.method import MethodSpec
from bench.methods import registry

FOLDER = Path(__file__).parents[2] / "docs" / "methods"
START, END = "<!-- from the method's own description: make method-pages -->", "<!-- end -->"


def told(spec: MethodSpec) -> str:
    """Needs, source, parameters and search space of a method, as Markdown."""
    rows = [
        [
            f"`{parameter.name}`",
            f"`{parameter.default!r}`",
            ", ".join(f"`{choice!r}`" for choice in parameter.choices)
            or f"{_end(parameter.low)} to {_end(parameter.high)}",
            parameter.help,
        ]
        for parameter in spec.parameters
    ]
    points = [
        ", ".join(f"{name} = {value!r}" for name, value in point.items()) or "the defaults"
        for point in spec.search_space
    ]
    members = ""
    if spec.members[1]:
        least, most = spec.members
        members = f" Members: {least}" if least == most else f" Members: {least} to {most}"
        members += "."
    seed = "The seed changes nothing." if spec.deterministic else "Depends on the seed."
    modalities = ", ".join(sorted(spec.modalities))
    return "\n".join(
        [
            START,
            "",
            (
                f"Works on {modalities}. Needs {spec.needs.value}.{members}"
                f" {seed}"
                f" Source: {spec.reference}."
            ),
            "",
            tabulate(rows, ["parameter", "default", "allowed", "what"], tablefmt="github")
            if rows
            else "No parameters.",
            "",
            "Search space, in the order in which a budget of trials goes through it:",
            "",
            *(f"{number}. {point}" for number, point in enumerate(points, 1)),
            "",
            END,
        ]
    )


def _end(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def rewritten(text: str, spec: MethodSpec) -> str:
    """A page with its part between the markers written anew.

    Raises:
        ValueError: if the page has no markers.
    """
    before, found, rest = text.partition(START)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"docs/methods/{spec.name}.md has no markers")
    return before + told(spec) + after


def main() -> None:
    """Rewrite every page."""
    for name, method in registry().items():
        path = FOLDER / f"{name}.md"
        path.write_text(rewritten(path.read_text(encoding="utf-8"), method.spec), encoding="utf-8")


if __name__ == "__main__":
    main()
