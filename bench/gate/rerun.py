"""Time two checkouts of this project in turn, on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.core.errors import UserError
from bench.gate.interleaved import Checkout, Timing, twice
from bench.gate.verdict import Verdict

_SECONDS_MOST = 300.0  # of one process, loading torch and the weights included


def rerun(
    base_ref: str,
    *,
    pairs: int,
    margin: float,
    report: Callable[[str], None],
    folder: Path | None = None,
) -> tuple[Timing, bool]:
    """Time the hot path of `base_ref` and of the working tree; second: whether it took two goes.

    Raises:
        UserError: if this is no checkout of the project, the reference is unknown, or the
            benchmark does not run on one of the two.
    """
    root = _root(folder or Path.cwd())
    with checkouts(root, base_ref) as (script, folders):
        done = 0

        def measure(side: Checkout) -> float:
            nonlocal done
            done += 1
            seconds = time_once(script, folders[side])
            report(f"run {done}: {side.value} {seconds:.3f} s")
            return seconds

        return twice(measure, pairs, margin)


@contextmanager
def checkouts(root: Path, base_ref: str) -> Iterator[tuple[Path, Mapping[Checkout, Path]]]:
    """The benchmark's script and the two packages it is to run on, in a temporary folder.

    The base is a git worktree. The head is a copy of the working tree's package: what is
    not committed yet counts. Both run the *head's* script, copied out of its package: a
    base that has none (or another one) is timed at the same work.
    """
    commit = git(root, "rev-parse", "--verify", "--end-of-options", f"{base_ref}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as temporary:
        place = Path(temporary)
        base, head = place / "base", place / "head"
        git(root, "worktree", "add", "--detach", str(base), commit)
        try:
            shutil.copytree(
                root / "bench", head / "bench", ignore=shutil.ignore_patterns("__pycache__")
            )
            script = place / "hotpath.py"
            shutil.copy(head / "bench" / "gate" / "hotpath.py", script)
            yield script, {Checkout.BASE: base, Checkout.HEAD: head}
        finally:
            git(root, "worktree", "remove", "--force", str(base))


def time_once(script: Path, checkout: Path) -> float:
    """Seconds of one repetition: the median of one process's.

    Raises:
        UserError: if the process fails, or ran on another package than the checkout's.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 -- this interpreter, our own script
            [sys.executable, str(script)],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS_MOST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"the benchmark of {checkout.name} took over {error.timeout} s") from None
    if done.returncode:
        tail = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise UserError(f"the benchmark does not run on {checkout.name}:\n{tail}")
    plain = json.loads(done.stdout.splitlines()[-1])
    package = Path(plain["package"]).resolve()
    if not package.is_relative_to(checkout.resolve()):
        raise UserError(f"the benchmark of {checkout.name} ran on {package}, not on its checkout")
    return float(median(plain["seconds"]))


def git(root: Path, *arguments: str) -> str:
    """One git command's output.

    Raises:
        UserError: if git is missing or refuses.
    """
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UserError(f"--rerun needs git: {error.strerror}") from error
    if done.returncode:
        raise UserError(f"git {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout.strip()


def render_timing(timing: Timing, *, repeated: bool) -> str:
    """The timing in words."""
    words = (
        f"speed: {timing.verdict.value}: head takes {timing.ratio:.3f}x the time of base"
        f" [{timing.low:.3f}, {timing.high:.3f}] in {len(timing.runs) // 2} interleaved pairs;"
        f" margin {timing.margin:.0%}, spread of the same code {timing.spread:.1%}"
    )
    if timing.verdict is Verdict.UNDECIDED:
        words += (
            f"\nwarning: the spread is above half the margin"
            f"{', twice' if repeated else ''}: this machine cannot tell {timing.margin:.0%}"
        )
    return words


def plain_timing(timing: Timing, *, repeated: bool) -> dict[str, Any]:
    """The timing as JSON-able data, every run kept in its order."""
    return {
        "verdict": timing.verdict.value,
        "seconds_ratio": timing.ratio,
        "low": timing.low,
        "high": timing.high,
        "spread": timing.spread,
        "speed_margin": timing.margin,
        "repeated": repeated,
        "runs": [{"checkout": r.checkout.value, "seconds": r.seconds} for r in timing.runs],
    }


def _root(folder: Path) -> Path:
    root = Path(git(folder, "rev-parse", "--show-toplevel"))
    if not (root / "bench" / "gate" / "hotpath.py").exists():
        raise UserError(f"--rerun compares checkouts of this project, and {root} is none")
    return root
