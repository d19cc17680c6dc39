"""No module of bench/ is over 350 lines: a longer one is two rooms."""

import sys
from pathlib import Path

MOST = 350
ROOT = Path(__file__).resolve().parents[2] / "bench"

long = [
    f"{path.relative_to(ROOT.parent)}: {lines} lines, at most {MOST}"
    for path in sorted(ROOT.rglob("*.py"))
    if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST
]
sys.exit("\n".join(long) or 0)
