"""Encoders of sound: the conversion of Whisper, windows, pooling over frames, other rates."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2FeatureExtractor,
)

from bench.assets import digest_tree, resolve
from bench.backbones import build, registry
from bench.backbones.ctranslate2 import read_variables, whisper
from bench.backbones.resemblyzer import HOP, PART, STEP, MelPower, network, speaker_vectors
from bench.backbones.speech import LogMel, whisper_states
from bench.backbones.waveforms import RATE, prepare_sounds, resampled, trimmed
from bench.core.backbone import Weights
from bench.core.errors import UserError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Modality, Sound
from bench.extract import extract
from tests.trainable import SWEEPS, save_whisper, sweep

SOUNDS = [Sound(sweep(kind, i), 8_000) for i in range(3) for kind in SWEEPS]
LONG = Sound(np.resize(sweep("rising", 7), 20_800), 8_000)


def loaded(folder: Path, **settings):
    name = f"file:{folder}"
    entry = BackboneEntry(name=name, modality=Modality.AUDIO, **settings)
    plugin = build(entry, folder.parent, {name: digest_tree(folder)})
    return plugin.load("cpu", Precision.FP32, [])


def save_waves(folder: Path, norm: str = "group", kind: str = "wav2vec2", **changes) -> Path:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        conv_dim=(16, 16, 16), conv_stride=(5, 8, 8), conv_kernel=(10, 8, 8),
        num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm, **changes,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer")
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def file():
    (folder,) = resolve(registry()["whisper-tiny-en"].spec.assets[0]).values()
    return folder


@pytest.mark.slow
def test_the_converted_whisper_computes_what_ctranslate2_does(file):
    ctranslate2 = pytest.importorskip("ctranslate2", reason="the reference: pip install '.[dev]'")
    mel = LogMel().inputs([resampled(sound) for sound in SOUNDS[:2]], 30)["input"]
    reference = ctranslate2.models.Whisper(str(file), device="cpu", compute_type="float32")
    view = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.numpy()))
    wanted = np.array(reference.encode(view, to_cpu=True))
    model = whisper(file / "model.bin").eval()
    with torch.inference_mode():
        found = whisper_states(model.get_encoder(), {"input": mel}).numpy()
        theirs = model.get_encoder()(mel).last_hidden_state.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    np.testing.assert_allclose(found, theirs, atol=1e-4)


def test_a_damaged_file_is_named(file, tmp_path):
    whole = (file / "model.bin").read_bytes()
    path = tmp_path / "model.bin"
    for data in (b"", whole[:100], whole[: len(whole) // 2], b"\x80\x04" + whole,
                 whole[:4] + struct.pack("<H", 65_535) + whole[6:]):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"model\.bin is no Whisper model"):
            read_variables(path)


@pytest.mark.parametrize("kind", ["whisper", "group", "layer"])
@pytest.mark.parametrize("pooling", ["mean", "max", "stats"])
def test_features_depend_on_the_clip_alone(tmp_path, kind, pooling):
    folder = tmp_path / "model"
    save_whisper(folder) if kind == "whisper" else save_waves(folder, kind)
    backbone = loaded(folder, pooling=pooling)
    inputs = [*SOUNDS, LONG]
    together = extract(backbone, inputs, "cpu")
    assert together.features.shape == (len(inputs), backbone.spec.width)
    assert together.lengths.tolist() == [1] * len(SOUNDS) + [3]
    alone = np.concatenate([extract(backbone, [sound], "cpu").features for sound in inputs])
    np.testing.assert_allclose(together.features, alone, atol=2e-5)
    assert together.features.std(axis=0).max() > 1e-3


@pytest.mark.parametrize(
    ("seconds", "parts"), [(0.4, 1), (1.6, 1), (1.9, 1), (1.98, 2), (2.7, 2), (2.9, 3), (3.0, 3)]
)
def test_a_part_of_a_voice_counts_where_three_quarters_of_it_are_sound(seconds, parts):
    torch.manual_seed(0)
    model, front = network().eval(), MelPower()
    wave = np.random.default_rng(0).standard_normal(round(seconds * RATE), np.float32) / 4
    frames = front.inputs([np.pad(wave, (0, PART * HOP))], 5)["input"]  # silence, and no louder
    with torch.inference_mode():
        found = speaker_vectors(model, front.inputs([wave], int(np.ceil(seconds))))
        each = [model(frames[:, at * STEP : at * STEP + PART]) for at in range(parts)]
        wanted = torch.nn.functional.normalize(torch.stack(each).mean(dim=0))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-6)


def test_a_layer_is_another_feature_and_too_many_are_refused(tmp_path):
    folder = save_whisper(tmp_path / "model")
    first, whole = (
        extract(loaded(folder, **how), SOUNDS, "cpu").features for how in ({"layer": 1}, {})
    )
    assert np.abs(first - whole).max() > 1e-3
    with pytest.raises(UserError, match="has 2 layers: there is no layer 3"):
        loaded(folder, layer=3)
    with pytest.raises(UserError, match="layer cannot be set of it"):
        build(BackboneEntry(name="minilm-l6", layer=2), tmp_path, {})


def by_itself(folder: Path, sound: Sound, layer: int | None = None) -> np.ndarray:
    """The mean of what the library's own model makes of one clip."""
    model = AutoModel.from_pretrained(folder).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    made = extractor(resampled(sound), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        found = model(made["input_values"], output_hidden_states=True)
    states = found.last_hidden_state if layer is None else found.hidden_states[layer]
    return states[0].mean(dim=0).numpy()


NOISE = np.random.default_rng(1).standard_normal(30_000, np.float32) / 10


ADAPTED = {"add_adapter": True, "num_adapter_layers": 1}


@pytest.mark.parametrize(
    ("kind", "norm", "changes"),
    [
        ("wav2vec2", "group", {}),
        ("hubert", "group", {}),
        ("wavlm", "group", {}),
        ("wav2vec2", "layer", {}),
        ("wav2vec2", "layer", ADAPTED),
        ("wav2vec2-conformer", "layer", {}),
        ("sew", "layer", {"squeeze_factor": 2}),
    ],
)
@pytest.mark.parametrize("layer", [None, 1])
def test_a_clip_is_heard_as_if_no_silence_were_behind_it(tmp_path, kind, norm, changes, layer):
    folder = save_waves(tmp_path / "model", norm, kind, **changes)
    sounds = [Sound(NOISE[at:end], RATE) for at, end in ((0, 8_400), (9, 29_000), (99, 8_499))]
    how = {} if layer is None else {"layer": layer}
    found = extract(loaded(folder, **how), [*sounds, Sound(NOISE[:50], RATE)], "cpu")
    assert found.lengths.tolist() == [1, 2, 1, 1]
    assert found.batches == 1
    wanted = [by_itself(folder, sound, layer) for sound in sounds]
    np.testing.assert_allclose(found.features[:3], wanted, atol=2e-5)
    assert np.isfinite(found.features[3]).all()  # too short for the library itself


def test_clips_of_as_many_samples_are_computed_together(tmp_path):
    backbone = loaded(save_waves(tmp_path / "model"))
    sounds = [Sound(NOISE[at : at + size], RATE) for at, size in enumerate([900, 901, 900, 5_000])]
    batch = backbone.collate(backbone.prepare(sounds), np.arange(4))
    shapes = {name: tuple(of["input"].shape) for name, of in batch.items() if name != "order"}
    assert shapes == {"5000": (1, 5_000), "901": (1, 901), "900": (2, 900)}


def test_clips_that_are_shorter_than_a_masked_span_are_learned_from(tmp_path):
    trainable = loaded(save_waves(tmp_path / "model")).trainable()
    sounds = [Sound(NOISE[:size], RATE) for size in (1_600, 1_600, 16_000)]  # 4 frames, and 49
    network, batch = trainable.network.train(), trainable.prepare(sounds)
    found = network(trainable.collate(batch, np.arange(3)))
    found.sum().backward()
    assert torch.isfinite(found).all()


def test_longer_clips_than_whisper_has_positions_for_are_refused(tmp_path):
    folder = save_whisper(tmp_path / "model")
    with pytest.raises(UserError, match="max_length = 31, but it hears 30 seconds"):
        loaded(folder, max_length=31)
    assert loaded(folder, max_length=30).spec.max_length == 30


def test_a_model_of_spectrograms_is_refused(tmp_path):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Wav2Vec2BertConfig(**small, intermediate_size=32, feature_projection_input_dim=160)
    Wav2Vec2BertModel(config).save_pretrained(tmp_path / "model")
    SeamlessM4TFeatureExtractor().save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="is a wav2vec2-bert: Whisper and models of raw waveforms"):
        loaded(tmp_path / "model")


def test_a_long_clip_loses_its_end_and_says_so(tmp_path):
    backbone = loaded(save_whisper(tmp_path / "model"), max_length=2)
    found = extract(backbone, [LONG, SOUNDS[0]], "cpu")
    assert found.truncated.tolist() == [True, False]
    cut = Sound(LONG.samples[: 2 * 8_000], 8_000)
    np.testing.assert_allclose(
        found.features[0],
        extract(backbone, [cut], "cpu").features[0],
        atol=5e-3,  # the edge rings
    )


def test_ten_minutes_in_stereo_at_44100(tmp_path):
    """A file much longer than the window costs no more than the window."""
    rng = np.random.default_rng(0)
    sound = Sound(rng.standard_normal(600 * 44_100, dtype=np.float32) / 10, 44_100)
    prepared = prepare_sounds([sound], 30)
    assert len(prepared.waves[0]) == 30 * RATE
    assert prepared.truncated.tolist() == [True]


def test_resampling_keeps_a_tone():
    for rate in (8_000, 22_050, 44_100, 48_000):
        tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
        found = resampled(Sound(tone, rate))
        assert len(found) == RATE
        wanted = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
        np.testing.assert_allclose(found[800:-800], wanted[800:-800], atol=5e-3)


def test_silence_at_the_ends_is_trimmed_where_asked():
    wave = np.concatenate([np.zeros(3_200), np.full(1_600, 0.5), np.zeros(3_200)])
    assert len(trimmed(wave.astype(np.float32), 40.0)) == 1_600
    silent = np.zeros(900, np.float32)
    assert len(trimmed(silent, 40.0)) == 900


def test_trimming_is_part_of_the_identity(tmp_path):
    plugins = [
        build(BackboneEntry(name="whisper-tiny-en", **how), tmp_path, {})
        for how in ({}, {"trim_db": 40.0}, {"layer": 2}, {"pooling": "max"}, {"max_length": 3})
    ]
    assert len({str(plugin.spec.identity) for plugin in plugins}) == 5


def test_the_untrained_twin_writes_with_untrained_weights(tmp_path):
    def weight(**how):
        plugin = build(BackboneEntry(name="whisper-tiny-en", **how), tmp_path, {})
        return plugin.transcriber("cpu").network.model.decoder.layers[0].fc1.weight.detach()

    trained, twin, again = weight(), weight(weights=Weights.RANDOM), weight(weights=Weights.RANDOM)
    assert (trained - twin).abs().max() > 1e-2
    assert torch.equal(twin, again)
