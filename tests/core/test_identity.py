"""Identity: what means the same has the same name, and nothing else has."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core.backbone import Weights
from bench.core.cell import Cell, label_of
from bench.core.identity import canonical_json, digest, item_digest
from bench.core.suite import (
    BackboneEntry,
    Budget,
    Control,
    MethodEntry,
    Precision,
    TaskEntry,
    TrainRule,
)
from bench.core.task import Modality

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_order_of_keys_changes_nothing(value):
    turned = dict(reversed(value.items()))
    assert digest(value) == digest(turned)


@given(JSON)
def test_canonical_json_reads_back(value):
    assert json.loads(canonical_json(value)) == value


def test_nan_has_no_identity():
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"x": float("nan")})


CELL = Cell(
    suite="s",
    task=TaskEntry(name="t", train=TrainRule(per_class=8), main_metric="accuracy"),
    modality=Modality.TEXT,
    backbone=BackboneEntry(name="b"),
    method=MethodEntry(name="m", parameters={"C": 1.0}),
    draw=0,
    seed=0,
    budget=Budget(trials=1),
    precision=Precision.FP32,
    control=None,
    fingerprint="f",
    backbone_identity={"assets": ["a"], "pooling": "mean"},
    method_version=1,
    folder=".",
)
CHANGES = {
    "draw": 1,
    "seed": 1,
    "budget": Budget(trials=2),
    "precision": Precision.BF16,
    "control": Control.SHUFFLED_LABELS,
    "fingerprint": "g",
    "backbone_identity": {"assets": ["b"], "pooling": "mean"},
    "method_version": 2,
    "method": MethodEntry(name="m", parameters={"C": 2.0}),
    "task": TaskEntry(name="t", train=TrainRule(per_class=16), main_metric="accuracy"),
}
INERT = {
    "suite": "other",
    "folder": "/elsewhere",
    "pins": {"u": "d"},
    "method": MethodEntry(name="m", label="another word", parameters={"C": 1.0}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_may_change_the_score_changes_the_id(name):
    changed = dataclasses.replace(CELL, **{name: CHANGES[name]})
    assert changed.run_id != CELL.run_id


@pytest.mark.parametrize("name", INERT)
def test_what_cannot_change_the_score_does_not(name):
    assert dataclasses.replace(CELL, **{name: INERT[name]}).run_id == CELL.run_id


@given(st.lists(st.text(), unique=True, max_size=20))
def test_items_have_names_of_their_own(texts):
    assert len({item_digest(text) for text in texts}) == len(texts)


def test_arrays_differ_by_shape_and_dtype():
    flat = np.arange(6, dtype=np.uint8)
    names = {
        item_digest(flat),
        item_digest(flat.reshape(2, 3)),
        item_digest(flat.astype(np.int8)),
        item_digest(np.arange(1, 7, dtype=np.uint8)),
    }
    assert len(names) == 4
    assert item_digest(flat.reshape(2, 3)[:, ::1]) == item_digest(flat.reshape(2, 3).copy())


def test_labels_tell_entries_apart():
    assert label_of(BackboneEntry(name="b")) == "b"
    assert label_of(BackboneEntry(name="b", weights=Weights.RANDOM)) == "b(weights=random)"
    assert label_of(MethodEntry(name="m", parameters={"k": 3})) == "m(k=3)"
    assert label_of(MethodEntry(name="m", label="mine", parameters={"k": 3})) == "mine"
