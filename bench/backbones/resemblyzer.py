"""Resemblyzer: who speaks, as a vector of 256 (Wan et al. 2018, arXiv:1710.10467).

The network is rebuilt here from the paper and the shapes of its weights. A clip's vector is the
mean over parts of 1.6 s, of length 1 each, brought to length 1; silence is not cut out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bench.backbones.audio import AudioEncoder, Batch, Tensor
from bench.backbones.plugin import Plugin, seed_random_weights, torch_dtype
from bench.backbones.waveforms import RATE, Wave
from bench.core.asset import Asset, Source
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Weights
from bench.core.suite import Precision
from bench.core.task import Input, Modality

BINS, HOP, FFT = 40, 160, 400
PART, STEP = 160, 77
"""Frames of a part and from one to the next: 1.3 parts a second."""
COVERAGE = 0.75
"""A last part that holds less sound than this share of it is left out."""
LOUDNESS = -30.0
"""dBFS that quieter clips are raised to."""


class MelPower:
    """Power in 40 mel bands, 100 frames a second (not its logarithm)."""

    padded = True

    def inputs(self, waves: Sequence[Wave], seconds: int) -> Batch:
        import torch

        # as much more as the last part that is kept may lack
        length = max(seconds * RATE + round((1 - COVERAGE) * PART) * HOP, PART * HOP)
        rows = np.stack([np.pad(louder(wave), (0, length - len(wave))) for wave in waves])
        window = torch.hann_window(FFT)
        spectrum = torch.stft(
            torch.from_numpy(rows), FFT, HOP, window=window, pad_mode="constant",
            return_complex=True,
        )  # fmt: skip
        power = spectrum.abs().square().transpose(1, 2)
        samples = torch.tensor([len(wave) for wave in waves])
        return {"input": power @ torch.from_numpy(_filters()), "samples": samples}

    def frames(self, samples: int) -> int:
        return samples // HOP + 1


@lru_cache(maxsize=1)
def _filters() -> np.ndarray:
    from transformers.audio_utils import mel_filter_bank

    found = mel_filter_bank(
        FFT // 2 + 1, BINS, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
    )
    return np.asarray(found, dtype=np.float32)


def louder(wave: Wave) -> Wave:
    """A waveform raised to `LOUDNESS` where it is quieter; silence stays silence."""
    power = float(np.square(wave, dtype=np.float64).mean())
    if power == 0.0:
        return wave
    change = LOUDNESS - 10 * np.log10(power)
    return wave if change < 0 else (wave * 10 ** (change / 20)).astype(np.float32)


def speaker_vectors(model: Any, group: Batch) -> Tensor:
    """Vectors `(b, 256)` of length 1: silence fills up a last part that holds enough sound."""
    import torch

    frames, samples = group["input"], group["samples"]
    last = frames.shape[1] - PART
    starts = range(0, max(1, last + 1), STEP)
    parts = torch.stack([model(frames[:, start : start + PART]) for start in starts], dim=1)
    begins = torch.tensor(list(starts), device=samples.device) * HOP
    covered = (samples[:, None] - begins[None, :]) / (PART * HOP)
    kept = (covered >= COVERAGE) | (begins == 0)[None, :]
    mean = (parts * kept[:, :, None]).sum(dim=1) / kept.sum(dim=1, keepdim=True)
    return torch.nn.functional.normalize(mean, dim=1)


def network() -> Any:
    """Three LSTM layers of 256 and a layer with ReLU over the last state."""
    import torch

    class SpeakerEncoder(torch.nn.Module):
        """See the module."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(BINS, 256, 3, batch_first=True)
            self.linear = torch.nn.Linear(256, 256)

        def forward(self, frames: Tensor) -> Tensor:
            """Frames `(b, f, 40)` to vectors `(b, 256)` of length 1."""
            state = self.lstm(frames)[1][0][-1]
            return torch.nn.functional.normalize(self.linear(state).relu(), dim=1, eps=1e-8)

    return SpeakerEncoder()


@dataclass(frozen=True, slots=True)
class ResemblyzerPlugin:
    """The speaker encoder by its description."""

    spec: BackboneSpec
    calibrates: bool = False

    def load(
        self,
        device: str,
        precision: Precision,
        calibration: Sequence[Input],  # noqa: ARG002 -- there are no norms
    ) -> Backbone:
        import torch

        from bench.assets import resolve

        seed_random_weights(self.spec)
        model, dtype = network(), torch_dtype(precision)
        if self.spec.weights is Weights.PRETRAINED:
            (path,) = resolve(self.spec.assets[0]).values()
            # weights_only: a pickled file can run code, and this one is pickled
            kept = torch.load(path, weights_only=True, map_location="cpu")["model_state"]
            wanted = model.state_dict().keys()
            model.load_state_dict({name: kept[name] for name in wanted})
        return AudioEncoder(
            self.spec, model.to(device, dtype).eval(), MelPower(), speaker_vectors, dtype
        )


RESEMBLYZER = BackboneSpec(
    name="resemblyzer",
    modality=Modality.AUDIO,
    summary="a speaker encoder: 3 LSTM layers over 40 mel bands, 256-d, parts of 1.6 s",
    assets=(
        Asset(
            name="resemblyzer",
            sources=(
                Source(
                    path="pretrained.pt",
                    uris=("pypi:Resemblyzer==0.1.4#resemblyzer/pretrained.pt",),
                    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
                ),
            ),
            license="Apache-2.0",
            bytes_download=15_747_704,
            homepage="https://github.com/resemble-ai/Resemblyzer",
        ),
    ),
    width=256,
    pooling=Pooling.NONE,
    max_length=60,
    parameters=1_423_616,
    flops_per_unit=0.44e9,  # a second alone: one part of 160 frames x 2 x 1.36 M; 1.3 in long ones
)

BACKBONES: tuple[Plugin, ...] = (ResemblyzerPlugin(RESEMBLYZER),)
