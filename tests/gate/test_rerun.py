"""Two checkouts timed in turn: a real git repository, with a stand-in for the slow benchmark."""

import json
import subprocess
import sys

import pytest

from bench.core.errors import UserError
from bench.gate.hotpath import ITEMS, texts
from bench.gate.interleaved import Checkout
from bench.gate.rerun import (
    checkouts,
    git,
    plain_timing,
    render_timing,
    rerun,
    time_once,
)

SCRIPT = (  # what the real one prints, without a model: each package states its seconds
    "import json, bench\n"
    "print(json.dumps({'package': bench.__file__, 'seconds': [bench.SECONDS] * 3}))\n"
)


@pytest.fixture
def repository(tmp_path):
    """A project whose base has no hotpath.py, and whose working tree is 20 % slower."""
    root = tmp_path / "project"
    (root / "bench").mkdir(parents=True)
    (root / "bench" / "__init__.py").write_text("SECONDS = 0.5\n")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    git(root, *identity, "commit", "--quiet", "-m", "base")
    (root / "bench" / "__init__.py").write_text("SECONDS = 0.6\n")  # not committed
    (root / "bench" / "gate").mkdir()
    (root / "bench" / "gate" / "hotpath.py").write_text(SCRIPT)
    return root


def test_base_and_working_tree_run_the_same_script(repository):
    with checkouts(repository, "HEAD") as (script, folders):
        assert not (folders[Checkout.BASE] / "bench" / "gate").exists()
        assert time_once(script, folders[Checkout.BASE]) == 0.5
        assert time_once(script, folders[Checkout.HEAD]) == 0.6
        place = script.parent
    assert not place.exists()
    assert git(repository, "worktree", "list").count("\n") == 0  # its own alone


def test_the_worktree_goes_when_something_fails(repository):
    (repository / "bench" / "gate" / "hotpath.py").write_text("raise SystemExit('no model')")
    with pytest.raises(UserError, match="does not run on base:\nno model"):
        rerun("HEAD", pairs=15, margin=0.05, report=lambda _: None, folder=repository)
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_slower_working_tree_is_a_regression(repository):
    lines = []
    timing, repeated = rerun("HEAD", pairs=15, margin=0.05, report=lines.append, folder=repository)
    assert (timing.verdict, repeated) == ("regression", False)
    assert timing.ratio == pytest.approx(1.2)
    assert len(lines) == 30
    assert lines[1] == "run 2: head 0.600 s"
    assert "speed: regression: head takes 1.200x" in render_timing(timing, repeated=False)
    plain = json.loads(json.dumps(plain_timing(timing, repeated=False), allow_nan=False))
    assert plain["runs"][0] == {"checkout": "base", "seconds": 0.5}


def test_a_run_on_another_package_is_refused(repository, tmp_path):
    script = tmp_path / "hotpath.py"
    script.write_text(SCRIPT.replace("bench.__file__", "'/elsewhere/bench/__init__.py'"))
    with pytest.raises(UserError, match="not on its checkout"):
        time_once(script, repository)


@pytest.mark.parametrize("reference", ["nowhere", "--detach"])
def test_an_unknown_reference_is_a_mistake(repository, reference):
    with pytest.raises(UserError, match="git rev-parse"):
        rerun(reference, pairs=15, margin=0.05, report=lambda _: None, folder=repository)


def test_outside_a_checkout_it_says_so(tmp_path, repository):
    (repository / "bench" / "gate" / "hotpath.py").unlink()
    with pytest.raises(UserError, match="compares checkouts of this project"):
        rerun("HEAD", pairs=15, margin=0.05, report=lambda _: None, folder=repository)
    with pytest.raises(UserError, match="git rev-parse"):
        rerun("HEAD", pairs=15, margin=0.05, report=lambda _: None, folder=tmp_path)


def test_the_texts_are_fixed_and_distinct():
    assert texts() == texts()
    assert len(set(texts())) == ITEMS


@pytest.mark.slow
def test_the_real_benchmark_runs():
    from bench.gate import hotpath

    done = subprocess.run([sys.executable, hotpath.__file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])["seconds"]) == hotpath.REPETITIONS
