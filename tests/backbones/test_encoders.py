"""Encoders of a user's own folder: tiny models of real architectures, through the real loading."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from bench.assets import digest_tree
from bench.backbones import build
from bench.core.backbone import Pooling, Weights
from bench.core.errors import UserError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Modality
from bench.extract import extract
from tests.backbones.tiny import save_image, save_text

TEXTS = ["the cat sat", "a dog ran fast on the mat", "", "slow", "the cat " * 40, "the cat sat"]
IMAGES = [
    np.random.default_rng(i).integers(0, 256, shape).astype(np.uint8)
    for i, shape in enumerate([(28, 28), (40, 30, 3), (32, 32), (8, 8)])
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder a kind of model, made on first use."""
    made = {}

    def folder(kind: str):
        if kind not in made:
            path = tmp_path_factory.mktemp(kind)
            made[kind] = save_text(path, kind) if kind in {"bert", "t5"} else save_image(path, kind)
        return made[kind]

    return folder


def load(folder, modality, **settings):
    name = f"file:{folder}"
    entry = BackboneEntry(name=name, modality=modality, **settings)
    pins = {name: digest_tree(folder)}
    return build(entry, folder.parent, pins).load("cpu", Precision.FP32, IMAGES)


@pytest.mark.parametrize("kind", ["bert", "t5"])
@pytest.mark.parametrize("pooling", [Pooling.CLS, Pooling.MEAN, Pooling.LAST])
def test_texts_batched_equal_texts_alone(folders, kind, pooling):
    backbone = load(folders(kind), Modality.TEXT, pooling=pooling)
    together = extract(backbone, TEXTS, "cpu")
    alone = np.concatenate([extract(backbone, [text], "cpu").features for text in TEXTS])
    np.testing.assert_allclose(together.features, alone, atol=1e-5)
    assert together.truncated.tolist() == [False, False, False, False, True, False]
    assert together.lengths.tolist() == [5, 9, 2, 3, 32, 5]


def test_texts_equal_the_library_itself(folders):
    folder = folders("bert")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    encoded = tokenizer(TEXTS, truncation=True, max_length=32, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model.eval()(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).last_hidden_state
    weights = encoded["attention_mask"].unsqueeze(-1)
    expected = (states * weights).sum(1) / weights.sum(1)
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    ours = extract(load(folder, Modality.TEXT, normalize=True), TEXTS, "cpu").features
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "dinov2", "convnext", "clip"])
@pytest.mark.parametrize("pooling", [Pooling.CLS, Pooling.MEAN, Pooling.CLS_MEAN])
def test_images_grey_or_colour_of_any_size(folders, kind, pooling):
    backbone = load(folders(kind), Modality.IMAGE, pooling=pooling)
    together = extract(backbone, IMAGES, "cpu").features
    alone = np.concatenate([extract(backbone, [image], "cpu").features for image in IMAGES])
    assert together.shape == (4, 32 if pooling is Pooling.CLS_MEAN and kind != "convnext" else 16)
    assert together.std(axis=0).min() > 0
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "vit"])
def test_the_untrained_twin_is_another_model_and_always_the_same(folders, kind):
    folder, modality = folders(kind), Modality.TEXT if kind == "bert" else Modality.IMAGE
    inputs = TEXTS if kind == "bert" else IMAGES
    trained = extract(load(folder, modality), inputs, "cpu").features
    torch.manual_seed(5)  # the state of the world must not matter
    first = extract(load(folder, modality, weights=Weights.RANDOM), inputs, "cpu").features
    second = extract(load(folder, modality, weights=Weights.RANDOM), inputs, "cpu").features
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - trained).max() > 1e-2


@pytest.mark.fault(33, "pickled weights")
def test_pickled_weights_are_not_read(folders, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(folders("bert"), folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        load(folder, Modality.TEXT)


@pytest.mark.parametrize("whole", [True, False])
def test_adapters_are_no_model(folders, tmp_path, whole):
    """transformers would load whatever the base's name leads to now, beside a whole model, too."""
    folder = shutil.copytree(folders("bert"), tmp_path / "adapters")
    if not whole:
        (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(folders("bert"))})
    )
    with pytest.raises(UserError, match="holds adapters"):
        load(folder, Modality.TEXT)


@pytest.mark.parametrize(
    ("length", "said"), [(33, "but it has 32 positions"), (2, "no room beside the 2 tokens")]
)
def test_lengths_that_a_model_cannot_have(folders, length, said):
    with pytest.raises(UserError, match=said):
        load(folders("bert"), Modality.TEXT, max_length=length)


def test_the_size_of_images_is_their_own_processors(folders):
    with pytest.raises(UserError, match="max_length cannot be set"):
        load(folders("vit"), Modality.IMAGE, max_length=32)


def test_a_tokenizer_says_which_end_is_cut(folders, tmp_path):
    folder = shutil.copytree(folders("bert"), tmp_path / "left")
    tokenizer = AutoTokenizer.from_pretrained(folder, truncation_side="left")
    tokenizer.save_pretrained(folder)
    backbone = load(folder, Modality.TEXT, max_length=5)
    found = backbone.prepare(["the cat sat on a mat"])
    assert (
        found.ids.tolist()
        == tokenizer("the cat sat on a mat", truncation=True, max_length=5)["input_ids"]
    )
    assert found.truncated.all()


def pooling_by(folder, how: dict, *, norm: bool):
    """Write what sentence-transformers does beside a model."""
    steps = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(steps[: 3 if norm else 2])
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(how))
    return folder


@pytest.mark.parametrize(
    ("how", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling.CLS),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}, Pooling.LAST),
        ({"pooling_mode": "max"}, Pooling.MAX),
    ],
)
@pytest.mark.parametrize("norm", [False, True])
def test_texts_are_pooled_as_the_folder_says(folders, tmp_path, how, pooling, norm):
    plain = folders("bert")
    folder = pooling_by(shutil.copytree(plain, tmp_path / "own"), how, norm=norm)
    found = extract(load(folder, Modality.TEXT), TEXTS, "cpu").features
    said = load(plain, Modality.TEXT, pooling=pooling, normalize=norm)
    np.testing.assert_allclose(found, extract(said, TEXTS, "cpu").features, atol=1e-6)


def test_what_a_suite_says_of_pooling_goes_before_the_folder(folders, tmp_path):
    plain = folders("bert")
    how = {"pooling_mode_cls_token": True}
    folder = pooling_by(shutil.copytree(plain, tmp_path / "own"), how, norm=True)
    loaded = load(folder, Modality.TEXT, pooling=Pooling.MEAN)
    assert (loaded.spec.pooling, loaded.spec.normalize) == (Pooling.MEAN, True)
    loaded = load(folder, Modality.TEXT, normalize=False)
    assert (loaded.spec.pooling, loaded.spec.normalize) == (Pooling.CLS, False)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"pooling_mode_weightedmean_tokens": True}, "pools by weightedmean_tokens"),
        ({"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}, "cls_token, max_tok"),
        ([1], "cannot be read"),
    ],
)
def test_pooling_that_is_not_known_is_not_guessed(folders, tmp_path, how, said):
    folder = pooling_by(shutil.copytree(folders("bert"), tmp_path / "own"), how, norm=False)
    with pytest.raises(UserError, match=said):
        load(folder, Modality.TEXT)
    assert load(folder, Modality.TEXT, pooling=Pooling.MEAN, normalize=False).spec.width == 16


def test_settings_are_identity(folders):
    folder = folders("bert")
    name = f"file:{folder}"
    pins = {name: digest_tree(folder)}
    specs = [
        build(BackboneEntry(name=name, **settings), folder.parent, pins).spec.identity
        for settings in (
            {},
            {"pooling": Pooling.MEAN},
            {"pooling": Pooling.CLS},
            {"normalize": True},
            {"max_length": 16},
            {"weights": Weights.RANDOM},
        )
    ]
    assert len({str(identity) for identity in specs}) == 6
    assert str(folder) not in str(specs)


def test_unknown_names_say_what_is_near(tmp_path):
    with pytest.raises(UserError, match="did you mean 'minilm-l6'"):
        build(BackboneEntry(name="minilm-l7"), tmp_path, {})


def test_half_precision_stays_near(folders):
    folder = folders("bert")
    name = f"file:{folder}"
    plugin = build(BackboneEntry(name=name), folder.parent, {name: digest_tree(folder)})
    exact = extract(plugin.load("cpu", Precision.FP32, []), TEXTS, "cpu").features
    half = extract(plugin.load("cpu", Precision.BF16, []), TEXTS, "cpu").features
    assert half.dtype == np.float32
    cosine = (exact * half).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.995
