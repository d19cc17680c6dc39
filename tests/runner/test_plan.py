"""The grid: what is in it, what is not and why, and every mistake at once."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.errors import SuiteError
from bench.runner.plan import make_plan, validated
from bench.suite_file import parse, read
from tests.runner.conftest import digits, plan_of

WHOLE = {
    "suite": {"name": "whole", "draws": 3, "seeds": 2, "budget": {"trials": 2}},
    "task": [
        {"name": "reuters-r8", "train": {"per_class": 8}},
        {"name": "digits", "train": "full"},
    ],
    "backbone": [{"name": "minilm-l6"}, {"name": "raw-pixels"}],
    "method": [{"name": "probe"}, {"name": "head-sgd"}, {"name": "tfidf"}],
}


def count(plan):
    return Counter(
        (c.task.name, c.backbone_label, c.method_label, c.control and c.control.value)
        for c in plan.cells
    )


def test_draws_and_seeds_multiply_where_they_mean_something():
    assert count(plan_of(WHOLE)) == {
        ("reuters-r8", "none", "tfidf", None): 3,
        ("reuters-r8", "minilm-l6", "probe", None): 3,  # deterministic: one seed
        ("reuters-r8", "minilm-l6", "head-sgd", None): 6,
        ("digits", "raw-pixels", "probe", None): 1,  # all of the data: one draw
        ("digits", "raw-pixels", "head-sgd", None): 2,
    }


@pytest.mark.parametrize(
    ("section", "entries"),
    [
        ("backbone", [{"name": "minilm-l6", "label": "a"}, {"name": "minilm-l6", "label": "b"}]),
        ("method", [{"name": "probe", "C": 1, "label": "a"}, {"name": "probe", "C": 1.0}]),
    ],
)
def test_entries_with_one_identity_are_refused_whatever_they_are_called(section, entries):
    with pytest.raises(SuiteError, match="is the same as"):
        plan_of({**WHOLE, section: entries})


@pytest.mark.parametrize(
    ("section", "entries"),
    [
        ("backbone", [{"name": "minilm-l6"}, {"name": "mpnet-base", "label": "minilm-l6"}]),
        (
            "backbone",
            [{"name": "minilm-l6"}, {"name": "minilm-l6", "pooling": "cls", "label": "minilm-l6"}],
        ),
        ("method", [{"name": "probe", "label": "m"}, {"name": "knn", "label": "m"}]),
    ],
)
def test_two_entries_do_not_share_a_name(section, entries):
    """One would stand for both in tables, and as a member of others."""
    with pytest.raises(SuiteError, match=rf"{section}\[1\]: is called .* like {section}\[0\]"):
        plan_of({**WHOLE, section: entries})


def test_what_is_a_default_anyway_makes_no_other_entry():
    entries = [{"name": "minilm-l6"}, {"name": "minilm-l6", "pooling": "mean"}]
    with pytest.raises(SuiteError, match=r"minilm-l6\(pooling=mean\) / probe is the same as"):
        plan_of({**WHOLE, "backbone": entries})


def test_a_whole_number_is_the_setting_that_it_means():
    one, other = (
        plan_of({**WHOLE, "method": [{"name": "probe", "C": c, "label": "x"}]}) for c in (1, 1.0)
    )
    assert [cell.run_id for cell in one.cells] == [cell.run_id for cell in other.cells]


def test_compiled_cells_are_others_where_there_is_a_network():
    plain, compiled = (
        plan_of({**WHOLE, "suite": {"name": "c", "compile": c}}) for c in (False, True)
    )
    pairs = list(zip(plain.cells, compiled.cells, strict=True))
    assert {one.backbone_label: one.run_id == other.run_id for one, other in pairs} == {
        "none": True,
        "raw-pixels": True,
        "minilm-l6": False,
    }
    assert all("compile" not in cell.identity for cell in plain.cells)


def test_what_does_not_apply_has_a_reason():
    reasons = {(s.task, s.backbone, s.method): s.reason for s in plan_of(WHOLE).skipped}
    assert reasons == {
        ("reuters-r8", "raw-pixels", "every method"): "the backbone reads image, not text",
        ("digits", "minilm-l6", "every method"): "the backbone reads text, not image",
        ("digits", "none", "tfidf"): "tfidf works on text, not on image",
    }


def test_controls_are_of_the_first_method():
    controls = ["shuffled-labels", "random-weights", "self"]
    raw = {**WHOLE, "suite": {"name": "c", "controls": controls}}
    found = [key for key in count(plan_of(raw)) if key[3]]
    assert sorted(found) == [
        ("digits", "raw-pixels", "probe", "self"),
        ("digits", "raw-pixels", "probe", "shuffled-labels"),
        ("reuters-r8", "minilm-l6", "probe", "self"),
        ("reuters-r8", "minilm-l6", "probe", "shuffled-labels"),
        ("reuters-r8", "minilm-l6(weights=random)", "probe", "random-weights"),
    ]


def test_every_cell_has_an_id_of_its_own_and_keeps_it():
    raw = {**WHOLE, "suite": {"name": "x", "controls": ["self", "shuffled-labels"]}}
    first, second = plan_of(raw), plan_of(raw)
    ids = [cell.run_id for cell in first.cells]
    assert len(set(ids)) == len(ids)
    assert ids == [cell.run_id for cell in second.cells]


@pytest.mark.parametrize("rule", [{"validation_extra": 200}, {"sampling": "mteb"}])
def test_what_is_of_a_part_of_the_pool_is_refused_where_all_of_it_is_labelled(rule):
    """It would change nothing but the run id."""
    with pytest.raises(SuiteError, match=r"task\[1\]\.train: .* a part of the pool"):
        plan_of({**WHOLE, "task": [WHOLE["task"][0], {"name": "digits", "train": rule}]})


def test_five_different_mistakes_are_told_in_one_go(suite_file):
    path = suite_file("""
[suite]
name = "bad"
draws = "three"
[[task]]
name = "reuters-r9"
train = { per_clas = 16 }
[[backbone]]
name = "minilm-l6"
pooling = "maximum"
[[method]]
name = "probe"
C = -1.0
regularisation = 2
""")
    with pytest.raises(SuiteError) as caught:
        validated(read(path))
    assert {mistake.where for mistake in caught.value.mistakes} == {
        "suite.draws",
        "task[0].name",
        "task[0].train.per_clas",
        "backbone[0].pooling",
        "method[0].C",
        "method[0].regularisation",
    }
    text = str(caught.value)
    assert "did you mean 'reuters-r8'" in text
    assert "did you mean 'per_class'" in text
    assert "-1.0 is below 1e-06" in text


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"suite": {"name": "a/../b"}}, "suite.name"),
        ({"suite": {}}, "suite"),
        ({"extra": 1}, "extra"),
        ({"method": []}, "method"),
        ({"task": {"name": "digits"}}, "task"),
        ({"method": [{"name": "probe", "C": [1, 2]}]}, "method[0].C"),
        ({"backbone": []}, "backbone"),
        ({"task": [{"name": "digits"}, {"name": "digits"}]}, "task[1]"),
        ({"task": [{"name": "digits", "train": {"per_class": 1, "size": 2}}]}, "task[0].train"),
        ({"task": [{"name": "digits", "label": "x"}]}, "task[0].label"),
        ({"suite": {"name": "big", "draws": 1_000_000}}, "suite"),
        ({"task": [{"name": "digits", "main_metric": "f1"}]}, "task[0].main_metric"),
        ({"task": [{"name": "digits", "main_metric": "word_accuracy"}]}, "task[0].main_metric"),
        ({"task": [{"name": "fsdd-words", "main_metric": "kappa"}]}, "task[0].main_metric"),
    ],
)
def test_each_mistake_is_found_where_it_is(change, where):
    with pytest.raises(SuiteError) as caught:
        plan_of({**digits(), **change})
    assert where in [mistake.where for mistake in caught.value.mistakes]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "suite", "task", "train", "method", "C", "draws", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["suite", "task", "backbone", "method", "y"]), ANYTHING))
def test_whatever_a_file_holds_it_is_a_suite_or_a_list_of_mistakes(raw):
    try:
        validated(parse(raw, Path("x.toml")))
    except SuiteError as error:
        assert error.mistakes


@pytest.mark.parametrize(
    "text", ["a = ", "\xff", "[suite]\nname='a'\nname='b'", "x = " + "[" * 9999]
)
def test_what_is_no_toml_is_said_to_be_none(suite_file, text):
    with pytest.raises(SuiteError, match="not valid TOML"):
        read(suite_file(text))


@pytest.mark.parametrize("path", sorted(Path("suites").glob("*.toml")), ids=lambda p: p.stem)
def test_every_shipped_suite_can_be_planned(path):
    suite = validated(read(path))
    assert suite.name == path.stem
    there = tuple(entry for entry in suite.tasks if not entry.optional)  # the rest is pinned first
    assert make_plan(dataclasses.replace(suite, tasks=there), {}).cells


def test_transcripts_have_no_controls():
    """What controls must do is told by kappa and by classes."""
    raw = {
        "suite": {"name": "x", "controls": ["shuffled-labels", "random-weights", "self"]},
        "task": [{"name": "fsdd-words"}],
        "backbone": [{"name": "whisper-tiny-en"}],
        "method": [{"name": "transcribe"}],
    }
    assert [cell.control for cell in plan_of(raw).cells] == [None]
