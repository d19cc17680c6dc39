"""What every registered backbone keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from bench.backbones import build, registry
from bench.core.backbone import Weights
from bench.core.errors import NotApplicableError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Modality, Sound
from bench.extract import extract
from tests.trainable import RATE, SWEEPS, sweep

BIG = {"mpnet-base", "efficientnet-lite2"}  # hundreds of megabytes, or the same code again
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in BIG else ()) for name in registry()]
LEARNED = [
    pytest.param(name, marks=pytest.mark.slow if name in BIG else ())
    for name, plugin in registry().items()
    if plugin.spec.assets
]
INPUTS = {
    Modality.TEXT: ["a film of rare beauty", "dull", "", "wheat prices rose in march " * 60],
    Modality.IMAGE: [
        np.random.default_rng(i).integers(0, 256, (28, 28)).astype(np.uint8) for i in range(40)
    ],
    Modality.AUDIO: [Sound(sweep(k, i), RATE) for i in range(3) for k in SWEEPS]
    + [Sound(np.tile(sweep("rising", 9), 5), RATE), Sound(np.zeros(100, np.float32), 44_100)],
    Modality.TABLE: [
        np.array([i, np.nan if i % 3 else 1.0, -0.5 * i], dtype=np.float32) for i in range(9)
    ],
}


def load(name, tmp_path, **settings):
    entry = BackboneEntry(name=name, **settings)
    plugin = build(entry, tmp_path, {})
    return plugin.load("cpu", Precision.FP32, INPUTS[plugin.spec.modality])


@pytest.mark.parametrize("name", NAMES)
def test_features_are_finite_vary_and_do_not_depend_on_company(name, tmp_path):
    backbone = load(name, tmp_path)
    inputs = INPUTS[backbone.spec.modality]
    found = extract(backbone, inputs, "cpu")
    assert found.features.dtype == np.float32
    assert len(found.features) == len(found.lengths) == len(inputs)
    if backbone.spec.width:
        assert found.features.shape[1] == backbone.spec.width
    assert found.features.std(axis=0).max() > 1e-3
    alone = np.concatenate([extract(backbone, [x], "cpu").features for x in inputs[:4]])
    np.testing.assert_allclose(found.features[:4], alone, atol=2e-5)


def test_columns_tell_what_is_not_known(tmp_path):
    backbone = load("columns", tmp_path)
    rows = [np.array([2.5, np.nan], np.float32), np.array([np.nan, -1.0], np.float32)]
    assert extract(backbone, rows, "cpu").features.tolist() == [[2.5, 0, 0, 1], [0, -1, 1, 0]]
    with pytest.raises(NotApplicableError, match="the same columns"):
        extract(backbone, [*rows, np.zeros(3, np.float32)], "cpu")


@pytest.mark.parametrize("name", LEARNED)
def test_the_untrained_twin_is_alive(name, tmp_path):
    """Batch norms without statistics would collapse it: finite and varying, unlike the original."""
    twin = load(name, tmp_path, weights=Weights.RANDOM)
    inputs = INPUTS[twin.spec.modality]
    features = extract(twin, inputs, "cpu").features
    assert np.isfinite(features).all()
    assert features.std(axis=0).mean() > 1e-3
    pretrained = extract(load(name, tmp_path), inputs, "cpu").features
    assert np.abs(features - pretrained).max() > 1e-2


@pytest.mark.parametrize("name", list(registry()))
def test_the_description_is_whole(name):
    spec = registry()[name].spec
    assert spec.summary
    for asset in spec.assets:
        assert asset.pinned
        assert asset.license
        assert asset.bytes_download > 0
        assert spec.parameters > 0
        assert spec.flops_per_unit > 0
