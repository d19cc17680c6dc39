"""LaTeX compiles, where there is a TeX; its tables have the rules of booktabs everywhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.tables import table

RESULTS = Path(__file__).parents[2] / "results"
PAPER = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
\input{leaderboard}
\end{document}
"""


def compiles(folder: Path) -> None:
    """Run pdflatex over a paper that takes in `folder`/leaderboard.tex."""
    (folder / "paper.tex").write_text(PAPER, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=folder, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:].decode("utf-8", "replace")
    assert (folder / "paper.pdf").stat().st_size > 1000


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")


@needs_tex
@pytest.mark.parametrize("name", [path.parent.name for path in RESULTS.glob("*/suite.json")])
def test_published_tables_compile(name, tmp_path):
    shutil.copy(RESULTS / name / "leaderboard.tex", tmp_path)
    compiles(tmp_path)


@needs_tex
def test_hostile_names_compile(make, folder, tmp_path):
    make.draws(2, task=r"\input{x} $^_%#&~ {", backbone="a|b<c>[d]`e*f\"g'h", method="\\\\ \\hline")
    (tmp_path / "leaderboard.tex").write_text(table(folder, "latex"), encoding="utf-8")
    compiles(tmp_path)


def test_rules_are_those_of_booktabs(make, folder):
    make.draws(2, method="\\hline & \\hline")
    text = table(folder, "latex")
    assert "\\hline" not in text
    tables = text.count("\\begin{tabular}")
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == tables
