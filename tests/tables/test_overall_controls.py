import numpy as np
import pytest

from bench.core.record import Failure
from bench.tables import render
from bench.tables.cells import interval
from tests.tables.conftest import truth

TASKS = ("news", "topics")


def test_only_complete_entrants_are_averaged(make, board_of):
    for task in TASKS:
        make.draws(3, task=task, accuracy=0.9)
    make.draws(3, task="news", method="lora", accuracy=0.99)
    make.draws(2, task="topics", method="lora", accuracy=0.99)
    make.cell(task="topics", method="lora", draw=2, failure=Failure(kind="killed", message=""))
    board = board_of()
    probe, lora = board.overall
    rows = [r for r in board.rows if r.method == "probe"]
    assert probe.method == "probe"
    assert probe.value.mean == pytest.approx(np.mean([r.value.mean for r in rows]))
    assert probe.rank == pytest.approx(np.mean([r.rank for r in rows]))
    assert probe.value.low < probe.value.mean < probe.value.high
    assert probe.value.covers == "draws and test items; tasks fixed"
    assert len(probe.run_ids) == 6
    assert (lora.value, lora.rank, lora.missing) == (None, None, ("topics (16 per class)",))


def test_win_rate_and_improvability_are_among_the_complete(make, board_of):
    for task in TASKS:
        for draw, first in enumerate(make.draws(3, task=task, accuracy=0.95)):
            most = make.store.predictions(first).predicted.copy()
            most[:2] = (truth(task)[:2] + 1) % 4
            make.cell(task=task, method="knn", draw=draw, predicted=most)  # worse by a hair
        make.draws(3, task=task, method="weak", accuracy=0.5)
    make.draws(3, task="news", method="lora", accuracy=0.999)  # the best, and not complete
    board = board_of()
    found = {entry.method: entry for entry in board.overall}
    assert [found[m].win_rate for m in ("probe", "knn", "weak")] == [0.75, 0.75, 0.0]
    assert found["knn"].value.mean < found["probe"].value.mean
    error = {
        method: np.array([1 - r.value.mean for r in board.rows if r.method == method])
        for method in ("probe", "knn", "weak")
    }
    least = np.minimum(error["probe"], error["knn"])
    wanted = float(np.mean((error["weak"] - least) / error["weak"]))
    assert found["weak"].improvability == pytest.approx(wanted)
    assert (found["lora"].win_rate, found["lora"].improvability) == (None, None)
    assert (found["weak"].rank_low, found["weak"].win_rate_high) == (None, None)
    assert "of the others none: that takes 5 tasks, and here are 2." in render(board, "md")


def test_five_tasks_have_intervals_over_tasks(make, board_of):
    for task in range(5):
        make.draws(3, task=f"t{task}", accuracy=0.95)
        make.draws(3, task=f"t{task}", method="weak", accuracy=0.5 + task / 20)
    probe, weak = board_of().overall
    assert (weak.win_rate, weak.win_rate_low) == (0.0, 0.0)
    assert weak.win_rate_high == pytest.approx(1 - 0.025 ** (1 / 5))  # five losses show no more
    assert (probe.rank, probe.rank_low, probe.rank_high) == (1, 1, pytest.approx(1.52, abs=0.01))
    assert 0 < weak.improvability_low < weak.improvability < weak.improvability_high < 1
    text = render(board_of(), "md")
    assert "mean rank (95 % CI)" in text
    assert "over other tasks like these 5" in text
    assert "| 0.0 [0.0, 52.2] |" in " ".join(text.split())


def test_one_complete_entrant_wins_against_nobody(make, board_of):
    for task in TASKS:
        make.draws(2, task=task)
    (only,) = board_of().overall
    assert (only.rank, only.win_rate, only.improvability) == (1.0, None, None)


def test_modalities_are_apart_and_one_task_has_no_mean(make, board_of):
    make.cell(task="news")
    make.cell(task="digits", modality="image", backbone="pixels")
    assert board_of().overall == ()
    make.cell(task="topics")
    assert {entry.modality for entry in board_of().overall} == {"text"}


def only_check(board_of):
    (check,) = board_of().checks
    return check


def test_shuffled_labels_at_chance_are_ok(make, board_of):
    make.draws(3, control="shuffled-labels", accuracy=0.25, items=800)
    check = only_check(board_of)
    assert check.verdict == "ok"
    assert check.low < 0 < check.high
    assert (check.uniform, check.draws, check.items) == (0.25, 3, 800)
    assert check.majority > 0.25
    assert check.matched == pytest.approx(0.25, abs=0.02)


def test_shuffled_labels_above_chance_are_a_violation(make, board_of):
    make.draws(3, control="shuffled-labels", accuracy=0.6)
    assert only_check(board_of).verdict == "VIOLATED"


def test_one_shuffle_alone_violates_only_when_it_is_gross(make, board_of):
    make.cell(accuracy=0.9)
    make.cell(control="shuffled-labels", accuracy=0.4, items=200)
    assert only_check(board_of).verdict == "undecided: one draw"


def test_one_shuffle_that_is_as_good_as_the_truth_is_a_violation(make, board_of):
    make.cell(accuracy=0.9)
    make.cell(control="shuffled-labels", accuracy=0.85)
    assert only_check(board_of).verdict == "VIOLATED"


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.4, "loses"), (0.8, "ties"), (0.99, "WINS")])
@pytest.mark.parametrize("label", ["small(weights=random)", "small(max_length=9, weights=random)"])
def test_random_weights(make, board_of, accuracy, verdict, label):
    make.draws(3, backbone=label.replace("weights=random", "").rstrip(", ()"), accuracy=0.8,
               items=1000)  # fmt: skip
    twin = {"control": "random-weights", "weights": "random", "items": 1000}
    make.draws(3, backbone=label, accuracy=accuracy, **twin)
    assert only_check(board_of).verdict == verdict


def test_a_twin_is_found_by_its_label_too(make, board_of):
    make.draws(3, backbone="small", accuracy=0.9)
    make.draws(3, backbone="small(weights=random)", control="random-weights", accuracy=0.4,
               identity={"backbone": {"architecture": "small", "weights": "random"}})  # fmt: skip
    assert only_check(board_of).verdict == "loses"


def test_a_twin_alone_has_no_counterpart(make, board_of):
    make.draws(3, backbone="x(weights=random)", control="random-weights", weights="random")
    assert only_check(board_of).verdict == "no counterpart"


def test_a_method_ties_with_itself(make, board_of):
    records = make.draws(3)
    for record in records:
        same = make.store.predictions(record).predicted
        make.cell(draw=record.draw, seed=1, control="self", predicted=same)
    check = only_check(board_of)
    assert (check.verdict, check.value, check.p) == ("ties", 0.0, 1.0)
    assert check.low == -check.high
    assert "| 0.0 [-1.8, 1.8] |" in " ".join(render(board_of(), "md").split())


def test_a_method_that_differs_from_itself_is_called_out(make, board_of):
    make.draws(3, accuracy=0.9)
    make.draws(3, accuracy=0.5, control="self")
    assert only_check(board_of).verdict == "DIFFERS"


def test_controls_compare_the_draws_that_both_have(make, board_of):
    make.draws(3)
    make.draws(2, control="self", seed=1)
    assert only_check(board_of).draws == 2


def test_a_failed_control_says_so(make, board_of):
    make.draws(2)
    for control in ("self", "shuffled-labels", "random-weights"):
        make.draws(2, control=control, failure=Failure(kind="timeout", message=""))
    assert [check.verdict for check in board_of().checks] == ["failed"] * 3


def test_controls_have_no_rank(make, board_of):
    make.draws(2)
    make.draws(2, control="self", seed=1)
    assert [row.rank for row in board_of().rows] == [1, None]


def test_one_class_alone_says_nothing_of_kappa(make, board_of):
    same = np.zeros(len(truth("news")), dtype=np.int64)
    make.draws(3, control="shuffled-labels", true=same, predicted=same)
    assert only_check(board_of).verdict == "ok"


def test_numbers_as_a_reader_wants_them():
    assert interval(0.9456, 0.931, 0.96, "accuracy") == "94.6 [93.1, 96.0]"
    assert interval(-0.00001, -0.1, 0.1, "kappa") == "0.000 [-0.100, 0.100]"
    assert interval(0.0123, -0.001, 0.02, "accuracy", sign="+") == "+1.2 [-0.1, 2.0]"
