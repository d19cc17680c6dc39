"""What a student kept of its teacher's advantage."""

import json

import pytest

from bench.tables import render

TEACHER = "large / probe"


def fill(make, *, teacher=0.9, own=0.6, student=0.8, draws=3):
    for draw in range(draws):
        run_id = make.cell(
            backbone="large", accuracy=teacher, draw=draw, parameters=40, rate=10.0
        ).run_id
        common = {"backbone": "small", "draw": draw, "parameters": 10}
        make.cell(method="finetune", accuracy=own, **common)
        make.cell(method="distill", accuracy=student, members={TEACHER: run_id}, **common)


def test_the_share_is_of_the_teachers_advantage_over_the_students_own_training(make, board_of):
    fill(make)
    (one,) = board_of().students
    assert (one.backbone, one.teacher, one.smaller, one.faster) == ("small", TEACHER, 4.0, 10.0)
    advantage = one.gained.difference - one.missed.difference
    assert one.kept == pytest.approx(one.gained.difference / advantage)
    assert 0.4 < one.kept < 0.9
    assert one.gained.low < one.gained.difference < one.gained.high
    text = render(board_of(), "md")
    assert "## Distillation" in text
    assert f"{100 * one.kept:.1f}" in text
    (plain,) = json.loads(render(board_of(), "json"))["students"]
    assert plain["kept"] == pytest.approx(one.kept)


def test_a_teacher_without_an_advantage_keeps_nothing(make, board_of):
    fill(make, teacher=0.5, own=0.8, student=0.7)
    (one,) = board_of().students
    assert one.kept is None


def test_without_an_own_training_or_a_teacher_there_is_less_to_say(make, board_of):
    make.cell(method="distill", backbone="small", members={TEACHER: "0" * 64})
    (one,) = board_of().students
    assert (one.gained, one.missed, one.kept, one.smaller) == (None, None, None, None)
    assert "## Distillation" in render(board_of(), "md")


def test_no_student_no_section(make, board_of):
    make.cell()
    assert board_of().students == ()
    assert "Distillation" not in render(board_of(), "md")
