"""LogME beside what came out: which records count, and how well it foretold the order."""

import json

import pytest

from bench.tables import render

BACKBONES = {"large": 0.95, "middle": 0.85, "small": 0.7}


def fill(make, logmes, **more):
    for backbone, accuracy in BACKBONES.items():
        for draw in range(3):
            for method, less in (("probe", 0.0), ("knn", 0.2)):
                make.cell(
                    backbone=backbone,
                    method=method,
                    draw=draw,
                    accuracy=accuracy - less,
                    transferability={"logme": logmes[backbone] + 0.01 * draw},
                    **more,
                )


def test_logme_stands_beside_the_best_of_each_backbone(make, board_of):
    fill(make, {"large": -0.1, "middle": -0.2, "small": -0.3})
    (found,) = board_of().transfers
    assert [one.backbone for one in found.backbones] == ["large", "middle", "small"]
    assert found.tau == pytest.approx(1.0)
    assert (found.least, found.most) == (found.tau, found.tau)
    first = found.backbones[0]
    assert first.logme == pytest.approx(-0.09)
    assert (first.least, first.most) == pytest.approx((-0.1, -0.08))
    assert (first.method, first.draws, len(first.run_ids)) == ("probe", 3, 3)


def test_a_wrong_order_is_shown_as_wrong(make, board_of):
    fill(make, {"large": -0.3, "middle": -0.2, "small": -0.1})
    (found,) = board_of().transfers
    assert [one.backbone for one in found.backbones] == ["small", "middle", "large"]
    assert found.tau == pytest.approx(-1.0)
    assert "Mean weighted tau of text: -1.00 over 1 task." in render(board_of(), "md")


def test_two_backbones_have_no_order_to_agree_with(make, board_of):
    for backbone in ("large", "small"):
        make.cell(backbone=backbone, transferability={"logme": BACKBONES[backbone]})
    board = board_of()
    (found,) = board.transfers
    assert (found.tau, found.least) == (None, None)
    assert json.loads(render(board, "json"))["transfers"][0]["tau"] is None


def test_records_without_it_have_no_such_table(make, board_of):
    make.draws(3, backbone="large")
    make.draws(3, backbone="small")
    board = board_of()
    assert board.transfers == ()
    assert "Which backbone?" not in render(board, "md")


def test_shuffled_labels_are_not_what_came_out(make, board_of):
    fill(make, {"large": -0.1, "middle": -0.2, "small": -0.3})
    make.draws(3, backbone="small", control="shuffled-labels", accuracy=0.999)
    (found,) = board_of().transfers
    assert found.backbones[-1].best < 0.8
