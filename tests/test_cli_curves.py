"""Curves as a user meets them: a list of sizes, run, and the tables that answer one question."""

from __future__ import annotations

import json

import pytest

import bench
from tests import command
from tests.test_cli import DIGITS


@pytest.fixture(scope="module")
def curve(tmp_path_factory):
    """A folder in which a suite with three sizes has been run to its end."""
    folder = tmp_path_factory.mktemp("curve")
    sizes = DIGITS.replace("per_class = 8", "per_class = [1, 4, 16]")
    (folder / "tiny.toml").write_text(sizes.replace("draws = 2", "draws = 2\nbudget.trials = 2"))
    done = command.bench("run", "tiny.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_list_of_sizes_becomes_a_section(curve):
    _, done = curve
    assert "## Label efficiency: digits (200 test items)" in done.stdout
    assert "[12/12]" in done.stderr


def test_each_question_has_an_answer(curve):
    folder, _ = curve
    answers = {
        ("--break-even", "centroid", "knn"): "labels a class",
        ("--budget-curve",): "best validation accuracy",
        ("--ledger",): "ms per prediction",
    }
    for option, words in answers.items():
        done = command.bench("table", "runs/tiny", *option, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
        plain = command.bench("table", "runs/tiny", *option, "--format", "json", cwd=folder)
        assert json.loads(plain.stdout)["suite"] == "tiny"


def test_the_functions_are_the_options(curve):
    folder, _ = curve
    runs = folder / "runs/tiny"
    for option, text in (
        (["--ledger"], bench.ledger(runs)),
        (["--budget-curve"], bench.budget_curve(runs)),
        (["--break-even", "centroid", "knn"], bench.break_even(runs, "centroid", "knn")),
    ):
        assert command.bench("table", runs, *option, cwd=folder).stdout == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--break-even", "centroid", "kn"], "no entrant is named 'kn'; did you mean 'knn'?"),
        (["--break-even", "knn", "knn"], "two are to be compared"),
        (["--ledger", "--budget-curve"], "ask for one at a time"),
        (["--ledger", "--write"], "ask for one at a time"),
        (["--ledger", "--format", "csv"], "is not written as 'csv'"),
    ],
)
def test_a_mistake_is_one_sentence(curve, arguments, message):
    folder, _ = curve
    done = command.bench("table", "runs/tiny", *arguments, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
