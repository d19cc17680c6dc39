"""Images that are changed while they are learned from, and not when they are predicted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.backbones.augment import augmenter
from bench.core.errors import NotApplicableError
from bench.core.task import Modality
from bench.methods import registry
from tests.trainable import Kit

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return Kit(tmp_path_factory.mktemp("kit"))


@pytest.mark.parametrize("kinds", ["flip", "shift", "flip+shift"])
def test_the_size_stays_and_the_seed_decides(kinds):
    first, again, other = (augmenter(kinds, seed) for seed in (0, 0, 1))
    made = [np.asarray(first(PICTURE)) for _ in range(8)]
    assert {image.shape for image in made} == {(16, 12, 3)}
    assert len({image.tobytes() for image in made}) > 1
    assert all(np.array_equal(image, np.asarray(again(PICTURE))) for image in made)
    assert any(not np.array_equal(image, np.asarray(other(PICTURE))) for image in made)


def test_a_flip_is_a_mirror_image():
    flip, array = augmenter("flip", 0), np.asarray(PICTURE)
    found = {np.asarray(flip(PICTURE)).tobytes() for _ in range(20)}
    assert found == {array.tobytes(), np.ascontiguousarray(array[:, ::-1]).tobytes()}


def test_it_is_learned_from_and_not_predicted_with(kit):
    method, (train, test, _) = registry()["finetune"], kit.splits[Modality.IMAGE]
    given = {**method.spec.defaults, "least_steps": 4, "epochs": 1, "learning_rate": 1e-3}
    plain = method.fit(given, train, None, kit.context(Modality.IMAGE))
    changed = method.fit({**given, "augment": "shift"}, train, None, kit.context(Modality.IMAGE))
    rows = [fit.predict(test.inputs).probabilities for fit in (plain, changed, changed)]
    assert not np.array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[1], rows[2])


def test_texts_are_not_changed_so(kit):
    method, train = registry()["finetune"], kit.splits[Modality.TEXT][0]
    given = {**method.spec.defaults, "augment": "flip"}
    with pytest.raises(NotApplicableError, match="of images"):
        method.fit(given, train, None, kit.context(Modality.TEXT))
