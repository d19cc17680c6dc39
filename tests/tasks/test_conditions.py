"""Conditions of test inputs: what they keep, what they depend on, and how a wrong one is told."""

import hashlib
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.core.errors import DataError, SuiteError
from bench.core.identity import item_digest
from bench.core.task import Joined, Modality, Sound, TaskSpec
from bench.mistakes.analysis import Run
from bench.mistakes.inputs import data_of
from bench.runner.execute import prepare
from bench.runner.plan import validated
from bench.store import Store
from bench.suite_file import parse
from bench.tasks import registry
from bench.tasks.conditions import CONDITIONS, SEVERITIES, apply, mistake, unfit
from tests.runner.conftest import EXAMPLES, digits, plan_of, run_cells, workbench

__all__ = ["run_cells", "workbench"]  # fixtures

EVERY = [f"{name}-{i}" for name in sorted(CONDITIONS) for i in range(1, SEVERITIES + 1)]
every_condition = pytest.mark.parametrize("condition", EVERY)
every_kind = pytest.mark.parametrize("name", sorted(CONDITIONS))

WORDS = "a film that is as good as it is long and nobody who sees it will forget its last hour"


def of(modality, parts=None):
    return TaskSpec("t", 1, modality, "", (), parts=parts or {})


def spec_of(condition):
    return of(CONDITIONS[condition.rpartition("-")[0]].modality)


def items(modality, count=12):
    random = np.random.default_rng(3)
    if modality is Modality.TEXT:
        return [" ".join(random.permutation(WORDS.split())) for _ in range(count)]
    if modality is Modality.IMAGE:
        ramp = np.add.outer(np.arange(28), 3 * np.arange(28)).astype(np.uint8)
        rolled = [np.roll(ramp, i, axis=1) for i in range(count)]
        return [np.stack([a, a.T, a], axis=2) if i % 2 else a for i, a in enumerate(rolled)]
    tones = [np.sin(np.arange(4000) / (3 + i)) * np.linspace(0.1, 0.9, 4000) for i in range(count)]
    return [Sound(tone.astype(np.float32), 8000) for tone in tones]


def digests(found):
    return [item_digest(item) for item in found]


def check_form(before, after):
    assert type(after) is type(before)
    if isinstance(before, np.ndarray):
        assert (after.shape, after.dtype) == (before.shape, np.uint8)
        assert after.flags.writeable
    if isinstance(before, Sound):
        assert (after.rate, after.samples.dtype, after.samples.ndim) == (
            before.rate,
            np.float32,
            1,
        )
        assert np.isfinite(after.samples).all()


@every_condition
def test_an_item_stays_what_it_is_and_changes_by_itself_alone(condition):
    spec = spec_of(condition)
    given_ = items(spec.modality)
    before = digests(given_)
    found = apply(condition, given_, spec)
    assert digests(given_) == before  # in place nothing is changed
    for one, other in zip(given_, found, strict=True):
        check_form(one, other)
    assert digests(found) != before
    assert digests(apply(condition, given_, spec)) == digests(found)
    assert digests(apply(condition, given_[::-1], spec)) == digests(found)[::-1]
    assert digests(apply(condition, given_[4:5], spec)) == digests(found)[4:5]


def edits(one, other):
    """Letters that a row of the edit distance needs."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def distance(one, other):
    """How far an item is from what it was."""
    if isinstance(one, str):
        return edits(one, other)
    if isinstance(one, np.ndarray):
        return float(np.abs(one.astype(float) - other).mean())
    if len(one.samples) != len(other.samples):
        return abs(np.log(len(one.samples) / len(other.samples)))
    return float(np.sqrt(np.square(one.samples - other.samples).mean()))


@every_kind
def test_a_higher_severity_is_further_away(name):
    spec = spec_of(f"{name}-1")
    given_ = items(spec.modality)
    means = []
    for severity in range(1, SEVERITIES + 1):
        found = apply(f"{name}-{severity}", given_, spec)
        means.append(np.mean([distance(a, b) for a, b in zip(given_, found, strict=True)]))
    assert means[0] > 0
    assert means == sorted(set(means))


def test_a_condition_does_what_it_says():
    (cut,) = apply("truncation-3", [WORDS], of(Modality.TEXT))
    assert WORDS.startswith(cut)
    assert len(cut.split()) == round(len(WORDS.split()) / 2)
    assert apply("case-5", [WORDS], of(Modality.TEXT)) == [WORDS.upper()]
    (grey,) = apply("contrast-5", items(Modality.IMAGE, 1), of(Modality.IMAGE))
    assert np.ptp(grey) <= 0.1 * 255 + 1
    (tone,) = items(Modality.AUDIO, 1)
    (noisy,) = apply("hiss-5", [tone], of(Modality.AUDIO))
    power = np.square(tone.samples).mean() / np.square(noisy.samples - tone.samples).mean()
    assert 10 * np.log10(power) == pytest.approx(0, abs=0.3)
    (clipped,) = apply("clipping-5", [tone], of(Modality.AUDIO))
    assert np.mean(np.abs(clipped.samples) == np.abs(clipped.samples).max()) > 0.45


texts = st.text(max_size=40) | st.sampled_from(["", " ", "\n", "a", "ß", "\ud800", "\u0301"])
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
images = arrays(np.uint8, shapes | shapes.map(lambda s: (*s, 3)))
sounds = st.builds(
    lambda size, level, rate: Sound(np.full(size, level, np.float32), rate),
    st.integers(0, 9),
    st.floats(-1, 1, width=32),
    st.sampled_from([8000, 44100]),
)
SMALL = {Modality.TEXT: texts, Modality.IMAGE: images, Modality.AUDIO: sounds}


@every_condition
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_the_smallest_items_hold(condition, data):
    spec = spec_of(condition)
    item = data.draw(SMALL[spec.modality])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = apply(condition, [item], spec)
    check_form(item, found)


@settings(max_examples=30, deadline=None)
@given(st.lists(texts, max_size=5), st.randoms(use_true_random=False))
def test_company_and_order_change_nothing(found, random):
    shuffled = random.sample(found, len(found))
    alone = {text: apply("typos-5", [text], of(Modality.TEXT))[0] for text in found}
    assert apply("typos-5", shuffled, of(Modality.TEXT)) == [alone[text] for text in shuffled]


PARTS = {"image": Modality.IMAGE, "sound": Modality.AUDIO}


def test_of_several_parts_the_one_that_it_is_of_is_changed():
    (image,), (sound,) = items(Modality.IMAGE, 1), items(Modality.AUDIO, 1)
    joined = [Joined({"image": image, "sound": sound}), Joined({"image": None, "sound": sound})]
    whole, part = apply("noise-3", joined, of(Modality.SEVERAL, PARTS))
    assert whole.parts["sound"] is sound
    assert item_digest(whole.parts["image"]) != item_digest(image)
    assert part.parts == joined[1].parts
    gone = apply("missing-sound", joined, of(Modality.SEVERAL, PARTS))
    assert [item.parts["sound"] for item in gone] == [None, None]
    assert gone[0].parts["image"] is image


def test_clean_is_none():
    assert apply("clean", ["a"], of(Modality.TEXT)) == ["a"]
    raw = digits()
    raw["task"][0]["condition"] = "clean"
    (cell,) = plan_of(raw).cells
    assert cell.run_id == plan_of(digits()).cells[0].run_id


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("typo-3", "no condition is 'typo-3'; did you mean 'typos'?: NAME-SEVERITY"),
        ("noise", "'noise' wants a severity from 1 to 5: 'noise-3'"),
        ("noise-6", "'noise-6': a severity is 1 to 5"),
        ("noise-0", "a severity is 1 to 5"),
        ("noise--1", "no condition is 'noise--1'"),
        ("missing-", "no condition is 'missing-'"),
        ("", "no condition is ''; known: blur, case"),
    ],
)
def test_a_wrong_name_is_told_in_one_sentence(condition, said):
    found = mistake(condition)
    assert said in found
    assert "\n" not in found


@every_condition
def test_a_right_name_is_no_mistake(condition):
    assert mistake(condition) is None
    assert unfit(condition, spec_of(condition)) is None


@pytest.mark.parametrize(
    ("task", "condition", "said"),
    [
        ("digits", "typos-3", "task[0].{}: typos-3 changes text; digits has none"),
        ("rotten-tomatoes", "hiss-1", "hiss-1 changes audio; rotten-tomatoes has none"),
        ("fsdd", "noise-1", "noise-1 changes image; fsdd has none"),
        ("digit-pairs", "case-2", "case-2 changes text; digit-pairs has none"),
        ("digit-pairs", "missing-sounds", "has no part 'sounds'; did you mean 'sound'?"),
        ("digits", "missing-sound", "digits has no part 'sound'"),
        ("digits", "nois-3", "no condition is 'nois-3'; did you mean 'noise'?"),
    ],
)
@pytest.mark.parametrize("key", ["condition", "conditions"])
def test_what_does_not_fit_is_told_before_anything_runs(task, condition, said, key):
    raw = digits()
    raw["task"] = [{"name": task, key: condition if key == "condition" else ["clean", condition]}]
    with pytest.raises(SuiteError) as caught:
        validated(parse(raw, EXAMPLES / "suite.toml"))
    (found,) = caught.value.mistakes
    assert found.where == f"task[0].{key}"
    assert said.format(key) in str(found)


def test_of_own_data_the_plan_says_what_does_not_fit(tmp_path):
    (tmp_path / "own.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 8)
    raw = digits()
    own = {"name": "own", "data": "file:own.csv", "conditions": ["clean", "typos-1", "noise-1"]}
    raw |= {"task": [own], "method": [{"name": "tfidf"}], "backbone": []}
    pins = {"file:own.csv": "0" * 64, f"file:{tmp_path}/own.csv": "0" * 64}
    plan = plan_of(raw, tmp_path, pins)
    assert [cell.task.condition for cell in plan.cells] == [None, "typos-1"]
    (row,) = plan.skipped
    assert (row.task, row.method) == ("own", "every method")
    assert row.reason == "noise-1 changes image; own has none"


def test_applied_where_it_does_not_fit_it_is_an_error_of_the_data():
    with pytest.raises(DataError, match=re.escape("task 't': noise-1 changes image; t has none")):
        apply("noise-1", ["a"], of(Modality.TEXT))


def test_the_training_side_is_untouched(workbench, run_cells, tmp_path):
    raw = digits(budget={"trials": 2}, draws=2)
    raw["task"][0]["conditions"] = ["clean", "noise-5"]
    plan = plan_of(raw)
    records = run_cells(plan)
    ready = [prepare(cell, workbench) for cell in plan.cells]
    for clean, noisy in zip(ready[:2], ready[2:], strict=True):
        assert digests(clean.labelled.inputs) == digests(noisy.labelled.inputs)
        assert (clean.labelled.targets == noisy.labelled.targets).all()
        assert (clean.test.targets == noisy.test.targets).all()
        assert not set(digests(clean.test.inputs)) & set(digests(noisy.test.inputs))
    for clean, noisy in zip(records[:2], records[2:], strict=True):
        assert (clean.parameters, clean.data.labels) == (noisy.parameters, noisy.data.labels)
        assert [t.score for t in clean.trials] == [t.score for t in noisy.trials]
        assert clean.metrics["accuracy"] > noisy.metrics["accuracy"]
        assert "condition" not in clean.identity
        assert noisy.identity["condition"] == "noise-5"

    last, store = records[-1], Store(tmp_path / "runs")  # errors shows what the backbone saw
    shown = data_of(Run(last, store.predictions(last)), None, wanted=True).inputs
    assert digests(shown) == digests(ready[-1].test.inputs)


def test_registered_tasks_name_what_they_have():
    """A condition of each modality fits some task."""
    specs = [task.spec for task in registry().values()]
    assert all(any(unfit(condition, spec) is None for spec in specs) for condition in EVERY)


@every_kind
def test_the_guide_has_the_strengths(name):
    page = (EXAMPLES.parent / "docs" / "robustness.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    assert f"| {CONDITIONS[name].modality.value} |" in row
    assert ", ".join(f"{level:g}" for level in CONDITIONS[name].levels) in row


# A changed meaning is another condition: whoever changes a number here gives it a new name.
GOLDEN = {
    "typos-3": "7df7505d65e1",
    "case-2": "4696a8229206",
    "truncation-1": "7bf650b152f9",
    "noise-3": "9835de8c004e",
}


@pytest.mark.parametrize("condition", sorted(GOLDEN))
def test_a_condition_means_what_it_meant(condition):
    spec = spec_of(condition)
    found = b"".join(digests(apply(condition, items(spec.modality), spec)))
    assert hashlib.sha256(found).hexdigest()[:12] == GOLDEN[condition]
