"""Cells that build on others: names, mistakes, order, and ids."""

from __future__ import annotations

import dataclasses

import pytest

from bench.core.errors import SuiteError
from bench.core.suite import MethodEntry
from bench.runner.wiring import in_turn, name_of
from tests.runner.conftest import digits, plan_of

PROBE, CENTROID = "raw-pixels / probe", "raw-pixels / centroid"


def with_methods(*entries: dict, **suite) -> dict:
    return {**digits(**suite), "method": list(entries)}


def ensemble(*members: str, **more) -> dict:
    return {"name": "ensemble", "members": list(members), **more}


BASE = ({"name": "probe"}, {"name": "centroid"})


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("tfidf", ("none", "tfidf")),
        ("none / tfidf", ("none", "tfidf")),
        ("minilm-l6 / probe", ("minilm-l6", "probe")),
        (" minilm-l6  /  probe ", ("minilm-l6", "probe")),
        ("hub:models/org/name@abc / probe", ("hub:models/org/name@abc", "probe")),
        ("a(pooling=cls) / probe(C=1.0)", ("a(pooling=cls)", "probe(C=1.0)")),
        ("ensemble(a / probe + b / probe)", ("none", "ensemble(a / probe + b / probe)")),
        ("c / distill(a / probe)", ("c", "distill(a / probe)")),
        ("none / ensemble(a / x + b / y)", ("none", "ensemble(a / x + b / y)")),
    ],
)
def test_what_the_name_of_a_member_means(member, name):
    assert name_of(member) == name


@pytest.mark.parametrize(
    ("entry", "where", "message"),
    [
        (
            ensemble(PROBE, "raw-pixels / centorid"),
            "method[2].members",
            f"did you mean {CENTROID!r}",
        ),
        (
            ensemble(PROBE, "raw-pixel / centroid"),
            "method[2].members",
            f"did you mean {CENTROID!r}",
        ),
        (ensemble(PROBE, "centroid"), "method[2].members", "no cell of this suite is 'centroid'"),
        (ensemble(PROBE), "method[2].members", "takes 2 to 64 members, not 1"),
        (ensemble(), "method[2].members", "takes 2 to 64 members, not 0"),
        (ensemble(PROBE, "raw-pixels  /  probe"), "method[2].members", "named twice"),
        ({"name": "knn", "members": [PROBE]}, "method[2].members", "takes no members, not 1"),
        ({"name": "distill", "members": [PROBE, CENTROID]}, "method[2].members", "takes 1 members"),
        ({"name": "knn", "backbones": ["raw-pixles"]}, "method[2].backbones", "'raw-pixels'"),
        ({"name": "distill", "teacher": 3}, "method[2].members[0]", "valid string"),
        (
            {"name": "distill", "teacher": PROBE, "members": [PROBE]},
            "method[2].teacher",
            "another word for members",
        ),
        ({"name": "ensemble", "members": PROBE}, "method[2].members", "should be"),
    ],
)
def test_a_mistake_in_members_is_told_where_it_is(entry, where, message):
    with pytest.raises(SuiteError) as caught:
        plan_of(with_methods(*BASE, entry))
    found = {mistake.where: mistake.message for mistake in caught.value.mistakes}
    assert message in found[where]


def test_what_would_have_to_be_done_before_itself_is_a_mistake():
    one = ensemble(PROBE, "two", label="one")
    two = ensemble(PROBE, "one", label="two")
    with pytest.raises(SuiteError) as caught:
        plan_of(with_methods(*BASE, one, two, ensemble(PROBE, CENTROID, label="three")))
    assert {str(m) for m in caught.value.mistakes} == {
        "method[2].members: builds on itself, by way of its members",
        "method[3].members: builds on itself, by way of its members",
    }


def test_members_come_first_whatever_the_order_of_the_file():
    top = ensemble(PROBE, "inner", label="top")
    plan = plan_of(with_methods(top, ensemble(PROBE, CENTROID, label="inner"), *BASE))
    assert [c.method_label for c in plan.cells] == ["probe", "centroid", "inner", "top"]
    done = set()
    for cell in plan.cells:
        assert set(cell.needs) <= done
        done.add(cell.run_id)


def test_entries_in_turn_keep_their_order_where_nothing_waits():
    def entry(label, *members):
        return MethodEntry(name="ensemble", label=label, members=members)

    a, b, c, d = entry("a", "d", "x / p"), entry("b"), entry("c", "a"), entry("d", "b")
    assert in_turn([a, b, c, d]) == [b, d, a, c]
    assert in_turn([b, a]) == [b, a]
    assert sorted(e.label for e in in_turn([a, entry("d", "a")])) == ["a", "d"]  # ends, in a circle


def test_a_cell_has_the_members_of_its_own_draw_and_seed():
    entries = ({"name": "head-sgd"}, {"name": "centroid"})
    both = ensemble("raw-pixels / head-sgd", CENTROID)
    plan = plan_of(with_methods(*entries, both, draws=3, seeds=2))
    found = [c for c in plan.cells if c.method.name == "ensemble"]
    assert [(c.draw, c.seed) for c in found] == [(0, 0), (1, 0), (2, 0)]  # deterministic: one seed
    for cell in found:
        assert [m.method.name for m in cell.members] == ["head-sgd", "centroid"]
        assert {m.draw for m in cell.members} == {cell.draw}
        assert cell.backbone is None


def test_a_student_is_one_row_a_backbone_and_teacher_is_a_word_for_its_member():
    raw = {
        "suite": {"name": "t", "draws": 2, "seeds": 2},
        "task": [{"name": "reuters-r8", "train": {"per_class": 8}}],
        "backbone": [{"name": "mpnet-base"}, {"name": "minilm-l6"}],
        "method": [
            {"name": "probe"},
            {"name": "distill", "teacher": "mpnet-base / probe", "backbones": ["minilm-l6"]},
        ],
    }
    plan = plan_of(raw)
    students = [c for c in plan.cells if c.method.name == "distill"]
    assert [(c.backbone_label, c.draw, c.seed) for c in students] == [
        ("minilm-l6", 0, 0),
        ("minilm-l6", 0, 1),
        ("minilm-l6", 1, 0),
        ("minilm-l6", 1, 1),
    ]
    for cell in students:
        (teacher,) = cell.members
        assert (teacher.backbone_label, teacher.draw, teacher.seed) == ("mpnet-base", cell.draw, 0)
    raw["method"][1]["members"] = [raw["method"][1].pop("teacher")]
    assert [c.run_id for c in plan_of(raw).cells] == [c.run_id for c in plan.cells]


def test_where_a_member_has_no_cell_the_row_is_skipped_with_the_reason():
    raw = with_methods(*BASE, ensemble(PROBE, CENTROID))
    raw["task"].append({"name": "reuters-r8", "train": {"per_class": 8}})
    raw["backbone"].append({"name": "minilm-l6"})
    plan = plan_of(raw)
    assert {c.task.name for c in plan.cells if c.members} == {"digits"}
    reasons = {s.reason for s in plan.skipped if s.method.startswith("ensemble")}
    assert reasons == {f"its member {PROBE!r} has no cell on this task"}


def test_methods_that_need_no_backbone_can_be_put_together_without_one():
    raw = {
        "suite": {"name": "t"},
        "task": [{"name": "reuters-r8", "train": {"per_class": 8}}],
        "method": [
            {"name": "tfidf"},
            {"name": "tfidf", "C": 1.0, "label": "soft"},
            ensemble("tfidf", "soft"),
        ],
    }
    assert [c.method_label for c in plan_of(raw).cells] == [
        "tfidf",
        "soft",
        "ensemble(tfidf + soft)",
    ]


def test_controls_are_no_members():
    raw = with_methods(*BASE, ensemble(PROBE, CENTROID), controls=["shuffled-labels", "self"])
    (cell,) = [c for c in plan_of(raw).cells if c.members]
    assert [member.control for member in cell.members] == [None, None]


def test_a_suite_without_members_has_the_ids_it_always_had():
    for cell in plan_of(with_methods(*BASE)).cells:
        assert not {"members", "calibrate"} & set(cell.identity)
    alone = [c.run_id for c in plan_of(with_methods(*BASE)).cells]
    more = plan_of(with_methods(*BASE, ensemble(PROBE, CENTROID))).cells
    assert [c.run_id for c in more if not c.members] == alone
    restricted = plan_of(with_methods({**BASE[0], "backbones": ["raw-pixels"]}, BASE[1]))
    assert [c.run_id for c in restricted.cells] == alone


def test_an_id_changes_with_a_members_and_with_their_order():
    def of(*entries, members=(PROBE, CENTROID), **suite):
        (cell,) = [c for c in plan_of(with_methods(*entries, ensemble(*members), **suite)).cells
                   if c.members]  # fmt: skip
        return cell.run_id

    plain = of(*BASE)
    assert plain == of(*BASE[::-1])
    assert plain != of({"name": "probe", "C": 1.0, "label": "probe"}, BASE[1])
    assert plain != of(*BASE, members=(CENTROID, PROBE))
    assert plain != of(*BASE, calibrate=True)


def test_predictions_for_calibration_are_part_of_the_identity():
    (plain,) = plan_of(digits()).cells
    (asked,) = plan_of(digits(calibrate=True)).cells
    assert asked.identity == {**plain.identity, "calibrate": True}
    assert dataclasses.replace(asked, calibrate=False).run_id == plain.run_id
