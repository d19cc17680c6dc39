"""A task that is optional is left out, with the reason, where its data cannot be had."""

from __future__ import annotations

import pytest

from bench.core.errors import AssetError, DigestMismatchError, UserError
from bench.core.suite import Precision, Resolved
from bench.runner.plan import validated
from bench.runner.precision import decide
from bench.runner.run import Options, plan_suite, run_suite
from bench.suite_file import read
from tests.runner.in_process import in_process

SUITE = """
[suite]
name = "some"
[[task]]
name = "digits"
train = {{ per_class = 4 }}
test_size = 50
[[task]]
name = "far"
data = "hub:datasets/org/set@main"
modality = "image"
input = "image"
label = "label"
{optional}
[[backbone]]
name = "raw-pixels"
[[method]]
name = "centroid"
"""


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    """A port of this machine that nobody listens on."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def test_the_others_run_and_the_table_says_why(suite_file, tmp_path):
    path = suite_file(SUITE.format(optional="optional = true"))
    outcome = run_suite(path, Options(tmp_path, "cpu"), engine=in_process)
    assert [record.task for record in outcome.records] == ["digits"]
    (skipped,) = outcome.plan.skipped
    assert (skipped.task, skipped.backbone) == ("far", "every backbone")
    assert "hub:datasets/org/set@main cannot be reached" in skipped.reason
    assert '"far"' in (outcome.folder / "suite.json").read_text()


def test_one_that_is_not_optional_stops_the_run(suite_file, tmp_path):
    with pytest.raises(AssetError, match="cannot be reached"):
        run_suite(suite_file(SUITE.format(optional="")), Options(tmp_path))
    with pytest.raises(AssetError, match="cannot be reached"):
        plan_suite(suite_file(SUITE.format(optional="optional = false")))


def test_where_everything_is_locked_nothing_is_left_out(suite_file):
    with pytest.raises(AssetError, match="--locked allows nothing new"):
        plan_suite(suite_file(SUITE.format(optional="optional = true")), locked=True)


def test_bytes_that_are_others_are_no_absence(suite_file, tmp_path, monkeypatch):
    def other(*_, **__):
        raise DigestMismatchError("far", "0" * 64, "1" * 64)

    monkeypatch.setattr("bench.runner.run.pin", other)
    with pytest.raises(DigestMismatchError):
        run_suite(suite_file(SUITE.format(optional="optional = true")), Options(tmp_path))


def test_a_suite_without_any_task_left_is_refused(suite_file):
    text = SUITE.format(optional="optional = true")
    first = text.index("[[task]]")
    text = text[:first] + text[text.index("[[task]]", first + 1) :]
    with pytest.raises(UserError, match="no task is left: its data cannot be had"):
        plan_suite(suite_file(text))


def test_its_data_are_no_sample_for_the_precision(suite_file):
    """What `auto` comes to must not depend on what can be reached."""
    text = SUITE.format(optional="optional = true").replace("raw-pixels", "efficientnet-lite0")
    first = text.index("[[task]]")
    text = text[:first] + text[text.index("[[task]]", first + 1) :]
    suite = validated(read(suite_file(text)))
    found = decide(suite, {}, "cpu", ["efficientnet-lite0"])  # or it would read the data
    assert found == {"efficientnet-lite0": Resolved(Precision.FP32, 0.0)}


def test_what_is_at_hand_is_no_less_for_being_optional(suite_file, tmp_path):
    text = SUITE.format(optional="optional = true").replace(
        "test_size = 50\n", "test_size = 50\noptional = true\n"
    )
    usual = plan_suite(suite_file(SUITE.format(optional="optional = true")))
    plan = plan_suite(suite_file(text))
    assert [cell.run_id for cell in plan.cells] == [cell.run_id for cell in usual.cells]
