"""Verdicts of whole folders: real records, changed in one way at a time."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from bench.core.errors import StoreError, UserError
from bench.core.record import Failure, Status
from bench.gate import check, plain_report, render
from tests.gate.planted import PUBLISHED, altered, drop, stored, write

ROW = next(row for row in stored() if row.name == "reuters-r8 / minilm-l6 / probe")
OTHER = next(row for row in stored() if row.name == "reuters-r8 / minilm-l6 / knn")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return write(tmp_path_factory.mktemp("gate") / "base", [(ROW, ROW.items)])


@pytest.fixture
def verdict_of(baseline, tmp_path):
    """The one row's verdict after a change to each record (None drops it)."""

    def judge(change, items=ROW.items):
        found = check(baseline, write(tmp_path / "head", [(ROW, items)], change))
        (row,) = found.rows
        return found, row

    return judge


def identity(record, **parts):
    return replace(record, identity={**record.identity, **parts})


def test_the_published_folder_is_itself():
    found = check(PUBLISHED, PUBLISHED)
    assert found.verdict == "pass"
    assert found.family == 0
    assert {row.verdict for row in found.rows} == {"same"}
    assert "every prediction is the same" in render(found)


def test_other_probabilities_alone_are_the_same(verdict_of):
    items = tuple(replace(i, p_true=i.p_true * np.float32(0.9)) for i in ROW.items)
    found, row = verdict_of(lambda record: record, items)
    assert row.verdict == "same"
    assert found.verdict == "pass"


def drop_one(record):
    return None if record.draw == 1 else record


def fail_one(record):
    if record.draw != 1:
        return record
    failure = Failure(kind="diverged", message="features with NaN")
    return replace(record, status=Status.FAILED, failure=failure, predictions=None, metrics={})


def on_cuda(record):
    return replace(record, provenance=replace(record.provenance, device="cuda"))


def other_print(record):
    return replace(record, data=replace(record.data, fingerprint="f" * 64))


TRAIN = {"per_class": 16, "size": None, "sampling": "random", "validation_extra": 0}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drop_one, "draw 1 seed 0 is missing in the candidate"),
        (fail_one, "draw 1 seed 0 failed in the candidate (diverged)"),
        (lambda r: identity(r, data="0" * 64), "the data fingerprint changed: "),
        (other_print, "the data fingerprint changed: "),
        (lambda r: identity(r, protocol=2), "the protocol changed: 1 -> 2"),
        (lambda r: identity(r, train=TRAIN), "the training rule changed: "),
        (lambda r: identity(r, test_size=500), "the test size changed: 1000 -> 500"),
        (lambda r: identity(r, precision="bf16"), "the precision changed: fp32 -> bf16"),
        (lambda r: identity(r, trials=1), "the number of tuning trials changed: 4 -> 1"),
        (lambda r: replace(r, main_metric="kappa"), "the metric changed: accuracy -> kappa"),
        (on_cuda, "another kind of device: cpu -> cuda"),
        (lambda r: replace(r, backbone="another"), "the candidate has no such row"),
    ],
)
def test_what_cannot_be_compared_is_undecided_with_the_reason(baseline, tmp_path, change, says):
    found = check(baseline, write(tmp_path / "head", [(ROW, ROW.items)], change))
    row = found.rows[[row.verdict != "new" for row in found.rows].index(True)]
    assert found.verdict == row.verdict == "undecided"
    assert any(reason.startswith(says) for reason in row.reasons), row.reasons
    assert says in render(found)


def test_a_cell_that_failed_in_the_baseline_is_undecided(baseline, tmp_path):
    base = write(tmp_path / "base", [(ROW, ROW.items)], fail_one)
    found = check(base, baseline)
    assert found.verdict == "undecided"
    assert found.rows[0].reasons == ("draw 1 seed 0 failed in the baseline (diverged)",)


def test_other_test_items_under_one_fingerprint_are_undecided(verdict_of):
    moved = tuple(replace(i, true=np.roll(i.true, 1)) for i in ROW.items)
    _, row = verdict_of(lambda record: record, moved)
    assert row.verdict == "undecided"
    assert "test items differ" in row.reasons[0]


def test_another_version_of_the_method_is_compared_and_said(verdict_of):
    found, row = verdict_of(
        lambda r: identity(r, method={"name": "probe", "version": 2, "parameters": {}})
    )
    assert row.verdict == "same"
    assert "the method's version or settings changed" in render(found)


def test_a_row_of_the_candidate_alone_does_not_matter(baseline, tmp_path):
    head = write(tmp_path / "head", [(ROW, ROW.items), (OTHER, OTHER.items)])
    found = check(baseline, head)
    assert found.verdict == "pass"
    assert sorted(row.verdict for row in found.rows) == ["new", "same"]
    assert check(head, baseline).verdict == "undecided"


def test_two_training_sizes_of_one_label_find_their_like(tmp_path):
    small, rows = identity(ROW.records[0], train=TRAIN), [(ROW, ROW.items)]
    both = write(tmp_path / "both", rows)
    write(both, rows, lambda r: replace(identity(r, train=TRAIN), run_id=f"{r.draw}" * 64))
    suite = both / "suite.json"
    suite.write_text('{"name": "default", "version": 1}')
    assert small.identity["train"]["per_class"] == 16
    found = check(both, both)
    assert found.verdict == "pass"
    assert len({row.name for row in found.rows}) == 2


def test_a_drop_is_a_regression_and_a_gain_is_reported(tmp_path):
    rng = np.random.default_rng(0)
    before, after = drop(OTHER, rng, 0.08, 0.06)
    base, head = (
        write(tmp_path / name, [(OTHER, items)])
        for name, items in (("base", before), ("head", after))
    )
    worse, better = check(base, head), check(head, base)
    assert worse.verdict == "regression"
    assert better.verdict == "pass"
    assert better.rows[0].verdict == "better"
    assert "overall: regression" in render(worse)


def test_a_difference_that_rounds_to_zero_has_no_sign(tmp_path, baseline):
    flipped = altered(ROW, np.random.default_rng(1), fall=0.02, rise=0.3)
    found = check(baseline, write(tmp_path / "head", [(ROW, flipped)]))
    (row,) = found.rows
    small = replace(row.scores.compared, difference=-0.0004, low=-0.012, high=0.0002)
    rows = (replace(row, scores=replace(row.scores, compared=small)),)
    assert ", 0.0 [-1.2, 0.0], p" in render(replace(found, rows=rows))


def test_what_would_not_be_seen_is_said(tmp_path, baseline):
    flipped = altered(ROW, np.random.default_rng(1), fall=0.02, rise=0.3)
    found = check(baseline, write(tmp_path / "head", [(ROW, flipped)]))
    size = found.rows[0].judged.sees
    assert found.verdict == "pass"
    assert size > 0.01
    words = f"would not see a drop of 1 point (sees {100 * size:.1f} points at 80 %)"
    assert words in render(found)
    assert "1 of the 1 that differ would not see a drop of 1 point" in render(found)
    assert plain_report(found)["rows"][0]["accuracy"]["sees"] == size


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("batches", 31, "regression"),
        ("batches", 29, "same"),
        ("padding_share", 0.2, "regression"),
        ("padding_share", 0.1, "same"),
        ("truncated_share", 0.5, "same"),
    ],
)
def test_counters_of_fresh_extractions_are_exact(tmp_path, name, value, verdict):
    known = {"batches": 30, "padding_share": 0.15, "truncated_share": 0.1}

    def measured(**parts):
        def change(record):
            counters = {**known, "items_computed": 1000, "items_per_second": 50.0, **parts}
            return replace(record, extraction=replace(record.extraction, **counters))

        return change

    rows = [(ROW, ROW.items)]
    base = write(tmp_path / "base", rows, measured())
    head = write(tmp_path / "head", rows, measured(**{name: value}, items_per_second=25.0))
    found = check(base, head)
    assert found.rows[0].verdict == verdict
    assert found.rows[0].speed.rate_ratio == 0.5
    assert f"counter changed: {name} {known[name]:g} -> {value:g}" in render(found)
    assert "0.50x items/s" in render(found)
    assert "shown, not judged: not interleaved on one machine" in render(found)
    cached = write(tmp_path / "cached", rows, measured(**{name: value}, items_computed=0))
    assert check(base, cached).rows[0].counters == ()


def test_seeds_are_averaged_within_a_draw(tmp_path, baseline):
    """Repeats are no replicates: a second seed with the same predictions changes nothing."""
    rng = np.random.default_rng(2)
    flipped = altered(ROW, rng, fall=0.05, rise=0.05)

    def second(record):
        return replace(identity(record, seed=1), seed=1, run_id=record.run_id[::-1])

    def both(name, items):
        folder = write(tmp_path / name, [(ROW, items)])
        write(folder, [(ROW, items)], second)
        (folder / "suite.json").write_text('{"name": "default", "version": 1}')
        return folder

    once = check(baseline, write(tmp_path / "one", [(ROW, flipped)]))
    twice = check(both("base", ROW.items), both("head", flipped))
    assert twice.rows[0].scores.draws == 3
    assert twice.rows[0].scores.compared == once.rows[0].scores.compared


@pytest.mark.parametrize("side", [0, 1])
def test_a_folder_without_a_run_is_a_mistake(baseline, tmp_path, side):
    sides = [baseline, baseline]
    sides[side] = tmp_path
    with pytest.raises(StoreError, match="holds no run"):
        check(*sides)
    (tmp_path / "suite.json").write_text('{"name": "default", "version": 1}')
    with pytest.raises(StoreError, match="holds no run"):
        check(*sides)


@pytest.mark.parametrize("what", ["records", "predictions"])
def test_damage_is_named(baseline, tmp_path, what):
    rng = np.random.default_rng(0)
    head = write(tmp_path / "head", [(ROW, altered(ROW, rng, fall=0.1, rise=0.1))])
    path = min((head / what).iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=path.name):
        check(baseline, head)


def test_a_margin_is_a_share(baseline):
    with pytest.raises(UserError, match="from 0 to 1"):
        check(baseline, baseline, accuracy_margin=5)


def test_reading_changes_nothing(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(PUBLISHED, copy)
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    check(copy, copy)
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before
