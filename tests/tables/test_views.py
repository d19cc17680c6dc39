"""Equal budget, break-even and the ledger: what they say, and what they refuse."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.core.errors import UserError
from bench.core.record import Failure, Trial
from bench.tables import break_even, budget_curve, ledger
from bench.tables.budget import best_after, budget_curves
from bench.tables.entrants import groups
from bench.tables.ledger import ledger as entries_of
from bench.tables.ledger import spent
from tests.tables.conftest import truth

CHEAP = {"load": 0.5, "extract": 1.0, "tune": 1.0, "fit": 0.1, "predict": 0.2}
DEAR = {"load": 0.5, "extract": 1.0, "tune": 9.0, "fit": 36.0, "predict": 0.2}


def by_problem(make):
    return groups(make.store.final())


def right(share, seed):
    """Predictions right on the first `share` of the items, and one item more for each seed."""
    true = truth("news")
    found = (true + 1) % 4
    count = round(share * len(true)) + seed
    found[:count] = true[:count]
    return found


def curve(make, first=(0.80, 0.82, 0.84), second=(0.70, 0.82, 0.95), **more):
    for size, one, other in zip((4, 16, 64), first, second, strict=True):
        for draw in range(3):
            same = {"draw": draw, "per_class": size, **more}
            make.cell(**same, predicted=right(one, draw), phases=CHEAP)
            make.cell(**same, predicted=right(other, draw), phases=DEAR, method="lora")


def test_break_even_answers_in_a_sentence(make, folder):
    curve(make, second=(0.70, 0.80, 0.95))
    found = json.loads(break_even(folder, "probe", "lora", "json"))["break_even"]
    (one,) = found
    assert one["sentence"].startswith("lora is better from about ")
    (crossing,) = one["crossings"]
    assert crossing["after"] == "16"
    assert crossing["before"] == "64"
    assert 16 < crossing["labels"] < 64
    price = "lora costs 50x per fit (26x with tuning) and nothing more per prediction"
    assert one["sentence"].endswith(price)
    for size, difference in zip(one["sizes"], (-0.10, -0.02, 0.11), strict=True):
        assert size["difference"] == pytest.approx(difference)
        assert size["low"] < difference < size["high"]
        assert (size["draws"], size["n"], len(size["run_ids"])) == (3, 200, 6)
    text = break_even(folder, "probe", "lora")
    assert "## news" in text
    assert "+11.0 [" in text


def test_exchanged_it_answers_the_same(make, folder):
    curve(make, second=(0.70, 0.80, 0.95))
    one, other = (
        json.loads(break_even(folder, *names, "json"))["break_even"][0]
        for names in (("probe", "lora"), ("lora", "probe"))
    )
    verdict = one["sentence"].partition("; ")[0]
    assert other["sentence"].partition("; ")[0] == verdict
    for a, b in zip(one["sizes"], other["sizes"], strict=True):
        assert (a["difference"], a["p"]) == pytest.approx((-b["difference"], b["p"]))


def test_an_entrant_that_always_leads_has_no_crossing(make, folder):
    curve(make, second=(0.90, 0.92, 0.94))
    (one,) = json.loads(break_even(folder, "probe", "lora", "json"))["break_even"]
    assert one["crossings"] == []
    assert "lora is better at every size from 4 to 64" in one["sentence"]


def test_a_backbone_is_asked_for_where_a_method_has_several(make, folder):
    curve(make)
    curve(make, backbone="large")
    with pytest.raises(UserError, match=r"'probe' is several entrants of news.*'large / probe'"):
        break_even(folder, "probe", "lora")
    found = json.loads(break_even(folder, "small / probe", "large / probe", "json"))
    assert "no difference" in found["break_even"][0]["sentence"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("prob", "lora"), "no entrant is named 'prob'; did you mean 'probe'"),
        (("probe", "small / lor"), "did you mean 'small / lora'"),
        (("probe", "small / probe"), "are one entrant"),
        (("probe", "flat"), "no task has 'probe' and 'flat' at several sizes"),
    ],
)
def test_a_wrong_name_is_a_mistake_in_one_sentence(make, folder, names, message):
    curve(make)
    make.draws(2, task="topics", method="flat")
    with pytest.raises(UserError, match=message) as caught:
        break_even(folder, *names)
    assert "\n" not in str(caught.value)


def test_a_size_without_both_has_no_difference(make, folder):
    curve(make)
    make.draws(3, per_class=128)
    make.cell(per_class=128, method="lora", failure=Failure(kind="killed", message=""))
    (one,) = json.loads(break_even(folder, "probe", "lora", "json"))["break_even"]
    assert [size["difference"] is None for size in one["sizes"]] == [False, False, False, True]


def test_hostile_names_are_inert_in_every_view(make, folder):
    name = "<b>|`x`](http://evil) *a*"
    curve(make, backbone=name, task="news")
    for text in (
        break_even(folder, f"{name} / probe", f"{name} / lora"),
        budget_curve(folder),
        ledger(folder),
    ):
        tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(text)
        assert "html_block" not in {t.type for t in tokens}
        inline = {child.type for t in tokens if t.type == "inline" for child in t.children}
        assert inline <= {"text", "softbreak", "text_special"}


scores = st.lists(st.none() | st.sampled_from([0.1, 0.5, 0.5000001, 0.9]), max_size=6)


@given(scores)
def test_the_best_so_far_never_falls_and_is_the_earliest_of_equals(found):
    trials = [Trial(parameters={"C": i}, score=s, seconds=1.0) for i, s in enumerate(found)]
    best = [best_after(trials, count) for count in range(len(trials) + 1)]
    assert best[0] is None
    values = [-1.0 if b is None else b.score for b in best]
    assert values == sorted(values)
    for count, one in enumerate(best):
        done = [s for s in found[:count] if s is not None]
        if done:
            assert found.index(max(done)) == one.parameters["C"]
        else:
            assert one is None


def test_a_test_score_is_of_the_draws_that_had_chosen_already(make):
    make.cell(draw=0, scores=[0.6, 0.8, 0.7], chosen_point={"C": 1.0}, accuracy=0.8)
    make.cell(draw=1, scores=[0.7, 0.5, None], chosen_point={"C": 0.0}, accuracy=0.8)
    (found,) = budget_curves(by_problem(make))
    one, two, three = found.steps
    assert (one.validation.mean, two.validation.mean) == pytest.approx((0.65, 0.75))
    assert (one.validation.least, one.validation.most, one.validation.draws) == (0.6, 0.7, 2)
    by_draw = {r.draw: r.metrics["accuracy"] for r in make.store.final()}
    assert (one.test.mean, one.test.draws) == (by_draw[1], 1)
    assert two.test == three.test
    assert two.test.mean == pytest.approx(np.mean(list(by_draw.values())))
    assert three.seconds.mean == pytest.approx(3.0)


def test_seeds_of_a_draw_are_no_draws(make):
    for seed in range(3):
        make.cell(seed=seed, scores=[0.2 + seed / 10], chosen_point={"C": 0.0})
    (found,) = budget_curves(by_problem(make))
    (step,) = found.steps
    assert (step.validation.draws, step.test.draws, found.draws) == (1, 1, 1)
    assert step.validation.mean == pytest.approx(0.3)


def test_no_score_where_nothing_was_chosen_and_no_test_of_what_was_not_fitted(make, folder):
    make.cell(method="fixed", trials=0)
    make.cell(scores=[0.1, 0.2], chosen_point={"C": 1.0})
    fixed, probe = budget_curves(by_problem(make))
    assert fixed.steps[0].validation is None
    assert fixed.steps[0].test.draws == 1
    assert probe.steps[0].test is None
    text = budget_curve(folder)
    assert "no other setting was ever tested" in text
    rows = json.loads(budget_curve(folder, "json"))["budget_curves"]
    assert [len(row["steps"]) for row in rows] == [1, 2]


def test_the_ledger_charges_what_was_cached(make):
    record = make.cell(phases=CHEAP, labels=100)  # 300 items, 1 s now, 3 s charged, 200 tested
    (entry,) = entries_of(by_problem(make))
    assert (entry.load, entry.extract, entry.tune, entry.fit) == (0.5, 3.0, 1.0, 0.1)
    assert entry.prediction == pytest.approx(0.2 / 200 + 3.0 / 300)
    found = spent(record)
    assert found.fit == pytest.approx(0.1 + 100 * 3.0 / 300)
    assert found.tune_and_fit == pytest.approx(found.fit + 1.0)


def test_the_ledger_is_one_table_of_means(make, folder):
    make.draws(3, phases=CHEAP, parameters=22_000_000)
    make.draws(3, method="lora", phases=DEAR)
    make.draws(3, control="shuffled-labels", accuracy=0.25)
    make.cell(method="broken", failure=Failure(kind="killed", message=""))
    found = json.loads(ledger(folder, "json"))["ledger"]
    assert [(row["method"], row["cells"]) for row in found] == [("lora", 3), ("probe", 3)]
    assert found[0]["fit"] == 36.0
    assert {row["energy_joules"] for row in found} == {None}
    text = ledger(folder)
    assert text.count("\n## ") == 1
    for head in ("tune s", "ms per prediction", "peak MB", "backbone M", "records"):
        assert head in text
    assert "energy J" not in text
    assert "counter" not in text


def test_the_ledger_shows_energy_where_every_cell_has_it(make, folder):
    for draw, joules in enumerate((1000.0, 1400.0)):
        make.cell(draw=draw, method="lora", energy=joules)
        make.cell(draw=draw, method="probe", energy=joules if draw else None)  # one was too short
    rows = json.loads(ledger(folder, "json"))["ledger"]
    assert {row["method"]: row["energy_joules"] for row in rows} == {"lora": 1200.0, "probe": None}
    text = ledger(folder)
    assert "energy J" in text
    assert "1,200" in text
    assert "by its own counter" in text


@pytest.mark.parametrize("view", [budget_curve, ledger])
def test_a_view_has_two_formats_and_no_third(make, folder, view):
    assert "No record succeeded." in view(folder)
    with pytest.raises(UserError, match="not written as 'csv'"):
        view(folder, "csv")


def test_no_view_loads_a_framework(make, folder):
    curve(make)
    code = (
        "import sys; from bench import tables;"
        f"tables.ledger({str(folder)!r}); tables.budget_curve({str(folder)!r});"
        f"tables.break_even({str(folder)!r}, 'probe', 'lora');"
        "assert not {'torch', 'sklearn', 'transformers', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
