import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.core.errors import StoreError
from bench.core.record import Failure
from bench.stats import compare, two_way
from bench.store import Store
from bench.tables import leaderboard, render
from bench.tables.frame import COLUMNS
from tests.tables.conftest import PROVENANCE, truth

SPEECH = Path(__file__).parents[2] / "results/speech"
KILLED = Failure(kind="killed", message="the worker was killed")


def row(folder, **wanted):
    table = leaderboard(folder)
    for name, value in wanted.items():
        table = table[table[name].isna() if value is None else table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_a_row_says_value_interval_size_and_records(make, folder):
    records = make.draws(3)
    found = row(folder)
    hits = [make.store.predictions(r) for r in records]
    wanted = two_way([(i.true == i.predicted).astype(float) for i in hits], (0.0, 1.0))
    assert tuple(leaderboard(folder).columns) == COLUMNS
    assert (found.value, found.low, found.high) == (wanted.mean, wanted.low, wanted.high)
    assert found.macro_f1 == pytest.approx(np.mean([r.metrics["macro_f1"] for r in records]))
    assert found.kappa == pytest.approx(np.mean([r.metrics["kappa"] for r in records]))
    assert (found.n, found.draws, found["rank"], found.labels) == (200, 3, 1, "64")
    assert (found.trials, found.trials_budget, found.seconds) == (2, 2, 5.5)
    assert (found.status, found.complete, found.covers) == ("ok", True, "draws and test items")
    assert found.run_ids == tuple(r.run_id for r in records)


def test_transcripts_have_their_characters_in_the_frame():
    table = leaderboard(SPEECH)
    said, classes = (table[(table.metric == "word_accuracy") == of] for of in (True, False))
    assert len(said)
    assert (said.char_accuracy_low <= said.char_accuracy).all()
    assert (said.char_accuracy <= said.char_accuracy_high).all()
    for _, line in said.iterrows():
        shown = f"{100 * line.char_accuracy:.1f} [{100 * line.char_accuracy_low:.1f}, "
        assert shown in (SPEECH / "leaderboard.md").read_text(encoding="utf-8")
    assert classes.char_accuracy.isna().all()
    assert said.macro_f1.isna().all()


def test_seeds_are_repeats_and_no_replicates(make, folder):
    records = [make.cell(seed=seed, accuracy=0.6 + seed / 10) for seed in range(4)]
    found = row(folder)
    assert found.value == pytest.approx(np.mean([r.metrics["accuracy"] for r in records]))
    assert found.draws == 1
    assert found.covers == "test items only"
    assert len(found.run_ids) == 4


def test_failed_draws_show_and_are_not_ranked(make, folder):
    make.draws(3)
    made = make.draws(2, method="lora", accuracy=0.99)
    make.cell(method="lora", draw=2, failure=KILLED)
    make.cell(method="lora", draw=2, failure=KILLED, attempt=2)
    found = row(folder, method="lora")
    assert found.status == "1 of 3 draws failed: killed"
    assert (found.complete, found["rank"] is pd.NA, found.draws) == (False, True, 2)
    assert found.value == pytest.approx(np.mean([r.metrics["accuracy"] for r in made]))


def test_a_retry_that_succeeds_counts(make, folder):
    make.cell(failure=KILLED)
    make.cell(attempt=2)
    assert row(folder).status == "ok"


def test_a_row_of_failures_alone_has_no_value(make, folder):
    make.draws(3, failure=KILLED)
    found = row(folder)
    assert found.status == "3 of 3 draws failed: killed"
    assert np.isnan(found.value)
    assert found.n is pd.NA
    assert found.draws == 0


def test_a_seed_that_one_draw_lacks_is_said(make, folder):
    for draw, seed in ((0, 0), (0, 1), (1, 0)):
        make.cell(draw=draw, seed=seed)
    (row,) = leaderboard(folder).to_dict("records")
    assert (row["status"], row["rank"]) == ("1 of 4 runs missing", None)


def test_missing_draws_and_failed_seeds_are_said(make, folder):
    make.draws(3)
    make.cell(method="lora")
    make.cell(method="knn", seed=0)
    make.cell(method="knn", seed=1, failure=KILLED)
    assert row(folder, method="lora").status == "2 of 3 draws missing"
    assert row(folder, method="knn").status == "1 of 2 runs failed: killed; 2 of 3 draws missing"


def test_ranks_are_shared_by_ties(make, folder):
    make.draws(3, accuracy=0.95, items=1000)
    make.draws(3, method="copy", accuracy=0.95, items=1000)
    make.draws(3, method="weak", accuracy=0.5, items=1000)
    ranks = leaderboard(folder).set_index("method")["rank"].to_dict()
    assert ranks == {"probe": 1, "copy": 1, "weak": 3}


def test_ranked_rows_say_how_far_they_are_behind_the_best(make, folder):
    def values(records):
        hits = [make.store.predictions(r) for r in records]
        return np.stack([i.true == i.predicted for i in hits]).astype(float)

    best = values(make.draws(3, accuracy=0.95))
    weak = values(make.draws(3, method="weak", accuracy=0.6))
    make.draws(2, method="fewer", accuracy=0.6)
    make.draws(3, control="self", seed=1, accuracy=0.6)
    wanted = compare(weak, best)
    found = row(folder, method="weak")
    assert found.behind == pytest.approx(wanted.difference)
    assert (found.behind_low, found.behind_high) == pytest.approx((wanted.low, wanted.high))
    assert found.behind_high < 0
    table = leaderboard(folder)
    assert table[table.method != "weak"].behind.isna().all()  # the best, incomplete, a control


def test_a_board_says_what_its_design_sees(make, board_of):
    make.draws(3)
    assert list(board_of().sees.values()) == [None]  # one entrant has nothing to be seen
    make.draws(3, method="weak", accuracy=0.6)
    (size,) = board_of().sees.values()
    assert 0.02 < size < 0.2
    assert f"Sees {100 * size:.1f} points at 80 %." in render(board_of(), "md")


def test_a_metric_that_is_no_share_has_no_points(make, board_of):
    make.draws(3, main_metric="kappa")
    make.draws(3, method="weak", accuracy=0.6, main_metric="kappa")
    (size,) = board_of().sees.values()
    assert f"Sees {size:.3f} at 80 %." in render(board_of(), "md")


def test_a_cache_hit_is_no_throughput(make, folder):
    make.draws(2, method="probe", rate=None)
    assert np.isnan(row(folder).throughput)
    make.cell(method="knn", rate=50.0)
    make.cell(method="knn", draw=1, rate=70.0)
    assert row(folder, method="probe").throughput == 60.0  # extraction is the backbone's
    gpu = dataclasses.replace(PROVENANCE, device="cuda", device_name="A GPU")
    make.draws(2, backbone="other", rate=None, provenance=gpu)
    assert np.isnan(row(folder, backbone="other").throughput)


def test_labels_beyond_the_rule_show(make, folder):
    make.cell(labels_extra=32)
    assert row(folder).labels == "64+32"


def test_training_sizes_are_tables_of_their_own(make, folder):
    make.cell(per_class=8)
    make.cell(per_class=16)
    make.cell(per_class=None)
    table = leaderboard(folder)
    assert set(table.train) == {"8 per class", "16 per class", "all training items"}
    assert table["rank"].tolist() == [1, 1, 1]


def test_two_forms_of_one_name_stay_apart(make, folder):
    make.cell(trials=2)
    make.cell(trials=8)
    methods = sorted(leaderboard(folder).method)
    assert all(method.startswith("probe #") for method in methods)
    assert len(set(methods)) == 2


def test_two_versions_of_the_data_stay_apart(make, folder):
    make.cell()
    make.cell(identity={"data": "0" * 64}, true=truth("else", 50))
    trains = leaderboard(folder).train
    assert trains.nunique() == 2
    assert trains.str.contains("; data ").all()


def test_other_test_items_under_one_fingerprint_are_refused(make, folder):
    make.cell()
    make.cell(draw=1, true=truth("else", 50))
    with pytest.raises(StoreError, match="different test items"):
        leaderboard(folder)


def test_other_test_items_of_another_method_are_refused(make, folder):
    make.cell()
    make.cell(method="knn", true=truth("else"))
    with pytest.raises(StoreError, match="different test items"):
        leaderboard(folder)


def test_no_records_make_an_empty_frame(make, folder):
    assert leaderboard(folder).empty
    assert tuple(leaderboard(str(folder)).columns) == COLUMNS


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="holds no run"):
        leaderboard(tmp_path)


def test_records_of_an_earlier_suite_are_left_out(make, folder):
    old, new = make.cell(method="old"), make.cell(method="new")
    assert len(leaderboard(folder)) == 2
    Store(folder).write_suite({"name": "golden", "version": 2, "cells": [new.run_id]})
    assert leaderboard(folder).method.tolist() == ["new"]
    assert old.run_id != new.run_id


def test_it_loads_no_framework():
    code = (
        "import sys, bench.tables, bench.stats\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'datasets', 'pandas'}\n"
        "heavy |= {'scipy.stats', 'scipy.optimize'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_several_seeds_a_draw_show_where_the_variance_comes_from(make, board_of):
    for draw in range(3):
        for seed in range(2):
            make.cell(draw=draw, seed=seed, accuracy=0.8)
        make.cell(method="knn", draw=draw, accuracy=0.7)
    board = board_of()
    probe, knn = (next(r for r in board.rows if r.method == m) for m in ("probe", "knn"))
    found = leaderboard(make.store.folder).set_index("method")
    assert knn.shares is None
    assert probe.shares.draw + probe.shares.seed + probe.shares.item + probe.shares.rest == (
        pytest.approx(1.0)
    )
    assert found.loc["probe", "share_item"] == pytest.approx(probe.shares.item)
    assert np.isnan(found.loc["knn", "share_item"])
    assert "variance: draw / seed / item / rest, %" in render(board, "md")
