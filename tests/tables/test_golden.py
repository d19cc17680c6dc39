"""What the tables look like; after a change on purpose: `BENCH_GOLDEN=write pytest`."""

import json
import os
from pathlib import Path

import pytest

from bench.core.errors import UserError
from bench.core.record import Failure
from bench.tables import Format, table, write_tables
from bench.tables.render import FILES

GOLDEN = Path(__file__).parent / "golden"


def fill(make):
    for task in ("news", "topics"):
        make.draws(3, task=task, accuracy=0.9)
        make.draws(3, task=task, method="knn", accuracy=0.7, rate=None)
    make.draws(2, method="lora", bytes_peak=None)
    make.cell(
        method="lora",
        draw=2,
        failure=Failure(kind="killed", message="the worker was killed | <b>signal 9</b>"),
    )
    for draw in range(3):  # a method without chance: the same again
        again = make.store.predictions(make.cell(draw=draw, method="ridge", accuracy=0.9)).predicted
        make.cell(draw=draw, method="ridge", control="self", seed=1, predicted=again)
    make.draws(3, control="shuffled-labels", accuracy=0.25)
    twin = {"backbone": "small(weights=random)", "weights": "random"}
    make.draws(3, control="random-weights", accuracy=0.4, **twin)
    make.cell(task="digits", modality="image", backbone="pixels_8x8", per_class=None)
    curve = {"task": "digits", "modality": "image", "backbone": "pixels_8x8"}
    make.draws(2, **curve, per_class=8, accuracy=0.7)
    make.draws(2, **curve, per_class=32, accuracy=0.8, labels=100, capped={"9": 4})
    make.draws(2, **curve, method="knn", per_class=8, accuracy=0.6)
    make.cell(**curve, method="knn", per_class=32, accuracy=0.7)
    make.store.write_suite(
        {
            "name": "golden",
            "version": 2,
            "skipped": [
                {
                    "task": "digits",
                    "backbone": "small",
                    "method": "every method",
                    "reason": "the backbone reads text, not image",
                }
            ],
        }
    )


@pytest.mark.parametrize("format", list(Format))
def test_tables_look_as_they_should(make, folder, format):  # noqa: A002
    fill(make)
    found = table(folder, format)
    path = GOLDEN / FILES[format]
    if os.environ.get("BENCH_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_files_are_written_and_written_again_the_same(make, folder):
    fill(make)
    first = {path.name: path.read_bytes() for path in write_tables(folder)}
    assert set(first) == set(FILES.values())
    again = {path.name: path.read_bytes() for path in write_tables(str(folder))}
    assert again == first
    assert {p.name for p in folder.iterdir() if p.is_file()} == {*first, "suite.json"}


def test_json_is_plain_data(make, folder):
    fill(make)
    found = json.loads(table(folder, "json"))
    assert found["schema"] == 1
    failed = next(row for row in found["rows"] if row["method"] == "lora")
    assert (failed["rank"], failed["complete"]) == (None, False)
    assert failed["bytes_peak_device"] is None
    assert len(failed["run_ids"]) == 3


@pytest.mark.parametrize("format", list(Format))
def test_an_empty_run_has_a_table(make, folder, format):  # noqa: A002
    found = table(folder, format)
    assert "golden" in found or format is Format.CSV


def test_an_unknown_format_is_a_mistake_with_a_hint(make, folder):
    with pytest.raises(UserError, match="did you mean 'latex'"):
        table(folder, "latx")


def test_one_draw_says_that_it_is_test_sampling_alone(make, folder):
    make.cell()
    found = table(folder, "md")
    assert found.count("one draw: test sampling alone") == 2
    assert "over 200 test items" in found


def test_devices_and_precisions_are_told_apart(make, folder):
    import dataclasses

    from conftest import PROVENANCE

    gpu = dataclasses.replace(
        PROVENANCE, device="cuda", device_name="A GPU", precision="bf16", date="2026-03-01T00:00Z"
    )
    make.cell()
    make.cell(method="knn", provenance=gpu)
    make.cell(method="tfidf", provenance=dataclasses.replace(PROVENANCE, precision="none"))
    found = table(folder, "md")
    assert "A CPU (cpu, fp32); A GPU (cuda, bf16)" in found
    assert "2026-02-03 to 2026-03-01" in found
    assert "cuda, bf16" in found.split("##")[1]
