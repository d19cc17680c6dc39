"""What encoders of sound share.

An encoder is a front (waveforms of one window to the model's input), the model, and its states
over time, which are pooled over the frames that hold sound.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.backbones.pooling import pool
from bench.backbones.waveforms import PreparedSounds, Wave, prepare_sounds
from bench.core.backbone import Backbone, BackboneSpec, Pooling, Trainable
from bench.core.errors import NotApplicableError, UserError
from bench.core.task import Input

LONGEST_SECONDS = 30
"""The window that Whisper was trained on; a longer clip loses its end."""

SECONDS_KEPT = 20_000
"""Of training sounds, whose spectrograms are kept between epochs: 640 MB of 80 bands."""

Tensor = Any
Batch = dict[str, Any]


class Front(Protocol):
    """From waveforms of one window to a model's input, and back to which frames hold sound."""

    @property
    def padded(self) -> bool:
        """Whether waveforms are filled up with silence; else those of one call are as long."""
        ...

    def inputs(self, waves: Sequence[Wave], seconds: int) -> Batch:
        """The model's input of waveforms, each of at most so many seconds, padded to that."""
        ...

    def frames(self, samples: int) -> int:
        """Frames of the states that so many samples fill."""
        ...


States = Callable[[Any, Batch], Tensor]
"""From a model and its input to states `(b, f, d)`, or vectors `(b, d)` where it pools itself."""


class AudioEncoder:
    """A loaded encoder; see `bench.core.backbone.Backbone`. A batch is run window by window."""

    packs, tokenizer = True, ""

    def __init__(
        self, spec: BackboneSpec, model: Any, front: Front, states: States, dtype: Any
    ) -> None:
        self.spec = spec
        self._model, self._front, self._states, self._dtype = model, front, states, dtype

    def prepare(self, inputs: Sequence[Input]) -> PreparedSounds:
        settings = self.spec.settings or {}
        trim = settings.get("trim_db")
        longest = self.spec.max_length or LONGEST_SECONDS
        return prepare_sounds(inputs, longest, None if trim is None else float(trim))

    def collate(
        self, prepared: PreparedSounds, indices: NDArray[np.int64], *, again: bool = False
    ) -> Batch:
        """By window: the model's input and the frames that hold sound, and the items' order.

        Where nothing is padded, clips of as many samples are a window.
        `again`: these items will come again, and what is made of them is kept where it has room.
        """
        import torch

        windows = prepared.lengths[indices]
        if not self._front.padded:
            windows = np.array([len(prepared.waves[i]) for i in indices])
        batch: Batch = {}
        order: list[NDArray[np.int64]] = []
        for window in np.unique(windows)[::-1]:
            rows = np.flatnonzero(windows == window)
            batch[str(window)] = self._group(prepared, indices[rows], again=again)
            order.append(rows)
        batch["order"] = torch.from_numpy(np.argsort(np.concatenate(order), kind="stable"))
        return batch

    def _group(self, prepared: PreparedSounds, items: NDArray[np.int64], *, again: bool) -> Batch:
        import torch

        seconds = int(prepared.lengths[items[0]])

        def made(waves: list[Wave]) -> Batch:
            if not self._front.padded:
                return self._front.inputs(waves, seconds)
            frames = [max(1, self._front.frames(len(wave))) for wave in waves]
            return {**self._front.inputs(waves, seconds), "frames": torch.tensor(frames)}

        if not again or int(prepared.lengths.sum()) > SECONDS_KEPT:
            return made([prepared.waves[i] for i in items])
        for i in items:
            if int(i) not in prepared.kept:
                prepared.kept[int(i)] = made([prepared.waves[i]])
        rows = [prepared.kept[int(i)] for i in items]
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def forward(self, batch: Batch) -> Tensor:
        import torch

        features = self.pooled(self._model, batch)
        return torch.nn.functional.normalize(features, dim=1) if self.spec.normalize else features

    def pooled(self, model: Any, batch: Batch) -> Tensor:
        """What `model` makes of a batch: `(b, width)` float32."""
        import torch

        parts = []
        for name, group in batch.items():
            if name == "order":
                continue
            states = self._states(model, _cast(group, self._dtype)).float()
            if self.spec.pooling is not Pooling.NONE:
                mask = None
                if "frames" in group:
                    places = torch.arange(states.shape[1], device=states.device)
                    mask = (places[None, :] < group["frames"][:, None]).to(torch.int64)
                states = pool(states, mask, self.spec.pooling)
            parts.append(states)
        return torch.cat(parts)[batch["order"]]

    def module(self) -> Any:
        if self._model is None:
            raise NotApplicableError(f"{self.spec.name} has nothing to train")
        return self._model

    def trainable(self) -> Trainable:
        return TrainableAudio(self, copy.deepcopy(self.module()))

    def around(self, model: Any, *, normalize: bool) -> AudioEncoder:
        """The same stages around another model."""
        spec = dataclasses.replace(self.spec, normalize=normalize)
        return AudioEncoder(spec, model, self._front, self._states, self._dtype)


def _cast(group: Batch, dtype: Any) -> Batch:
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in group.items()}


class TrainableAudio:
    """See `bench.core.backbone.Trainable`; `model` is its own."""

    def __init__(self, sounds: AudioEncoder, model: Any) -> None:
        import torch

        class PooledEncoder(torch.nn.Module):
            """An encoder and its pooling."""

            def __init__(self) -> None:
                super().__init__()
                self.encoder = model

            def forward(self, batch: Batch) -> Tensor:
                return sounds.pooled(self.encoder, batch)

        self._sounds = sounds
        self._device = next(model.parameters()).device
        self.network = PooledEncoder()
        self.width, self.normalize = sounds.spec.width, sounds.spec.normalize
        self.prepare = sounds.prepare

    def collate(self, prepared: PreparedSounds, indices: NDArray[np.int64]) -> Batch:
        from bench.extract.feed import over_tensors

        batch: Batch = over_tensors(
            self._sounds.collate(prepared, indices, again=True),
            lambda tensor: tensor.to(self._device),
        )
        return batch

    def frozen(self, *, normalize: bool) -> Backbone:
        return self._sounds.around(self.network.encoder.eval(), normalize=normalize)


def at_layer(states: Callable[..., Tensor], spec: BackboneSpec, layers: int) -> States:
    """`states` at the layer that the description asks for.

    Raises:
        UserError: if there are not so many.
    """
    layer = (spec.settings or {}).get("layer")
    if layer is None:
        return states
    if not 0 < int(layer) <= layers:
        raise UserError(f"{spec.name} has {layers} layers: there is no layer {layer}")
    return lambda model, group: states(model, group, int(layer))


def widened(spec: BackboneSpec, width: int) -> BackboneSpec:
    """With the width of pooled states of `width`."""
    return dataclasses.replace(spec, width=2 * width if spec.pooling is Pooling.STATS else width)
