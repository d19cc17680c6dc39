"""What a backbone is: a pretrained model that supplies stages; `bench.extract` runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.core.asset import Asset
from bench.core.task import Input, Modality


class Pooling(StrEnum):
    """How the states of a sequence become one vector."""

    CLS = "cls"  # the first real position
    MEAN = "mean"  # over real positions, in float32
    LAST = "last"  # the last real position, whatever the padding side
    MAX = "max"  # over real positions
    CLS_MEAN = "cls+mean"  # the class token and the mean of the patches, one after the other
    STATS = "stats"  # mean and standard deviation over real positions, one after the other
    NONE = "none"  # the model gives one vector by itself


class Weights(StrEnum):
    """Where the weights come from."""

    PRETRAINED = "pretrained"
    RANDOM = "random"  # same architecture, never trained: a control


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """The cheap description of a backbone.

    `flops_per_unit` (a token, an image) and `bytes_weights` (float32) feed the
    forecast; `max_length` counts tokens (text), pixels a side (image) or seconds (audio).
    `settings` holds whatever else changes features (a prompt, a scaling): it is part of
    the identity of cells and of cached features.
    """

    name: str
    modality: Modality
    summary: str
    assets: tuple[Asset, ...]
    width: int = 0
    pooling: Pooling = Pooling.NONE
    normalize: bool = False
    max_length: int = 0
    weights: Weights = Weights.PRETRAINED
    trainable: bool = True
    generates: bool = False  # whether it may be a decoder language model: loading tells
    transcribes: bool = False  # whether it may write down speech: loading tells
    parameters: int = 0
    flops_per_unit: float = 0.0
    settings: Mapping[str, str | int | float | bool] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the features, as JSON: digests and settings, never names or paths."""
        return {
            "assets": [asset.digest for asset in self.assets],
            "architecture": self.name if not self.assets else "",
            "pooling": self.pooling.value,
            "normalize": self.normalize,
            "max_length": self.max_length,
            "weights": self.weights.value,
            "settings": dict(self.settings or {}),
        }


class Prepared(Protocol):
    """Inputs made ready for the model, on the host.

    `lengths` `(n,)` counts real units of each input (tokens; 1 for an image).
    `truncated` `(n,)` marks inputs that lost their end.
    """

    @property
    def lengths(self) -> NDArray[np.int64]: ...

    @property
    def truncated(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of `n` texts, flat `(t,)` int32, with offsets `(n + 1,)`: texts made ready."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.int32]:
        """The ids of the texts `indices`, one after another."""
        if not len(indices):
            return self.ids[:0]
        return np.concatenate([self.ids[self.offsets[i] : self.offsets[i + 1]] for i in indices])


class Trainable(Protocol):
    """A copy of a backbone whose weights may change, in float32 on the device.

    `network` is a torch module: a batch in, pooled features `(b, width)` out, differentiable and
    not normalised. `network.encoder` is the model inside it, which a method may wrap (adapters).
    """

    network: Any
    width: int
    normalize: bool  # whether the backbone's own features have length 1

    def prepare(self, inputs: Sequence[Input]) -> Prepared:
        """Tokenise / decode `n` inputs, in order."""
        ...

    def collate(self, prepared: Any, indices: NDArray[np.int64]) -> Any:
        """The batch of `indices` `(b,)` for `network`, on the device, padded."""
        ...

    def frozen(self, *, normalize: bool) -> Backbone:
        """The network as it is now, for extraction."""
        ...


@runtime_checkable
class Augments(Protocol):
    """A trainable copy that can change its inputs a little each time they are collated."""

    def augment(self, kinds: str, seed: int) -> None: ...


class LanguageModel(Protocol):
    """A backbone that says how likely a text goes on in one way or another. `network` is all of
    it, its layers and what turns them into tokens."""

    network: Any

    def fresh(self) -> LanguageModel:
        """A copy in float32, to be trained; this one stays as it is."""
        ...

    def room(self, endings: Sequence[str]) -> int:
        """Tokens that a prompt may have with any of `endings` after it; of a longer one the
        beginning is left out.

        Raises:
            NotApplicableError: if an ending is empty, or has as many as the model takes in all.
        """
        ...

    def tokens(self, prompt: str) -> int:
        """How many a prompt has."""
        ...

    def scores(self, prompts: Sequence[str], endings: Sequence[str]) -> Any:
        """What `likelihoods` says, as a tensor `(p, e)` float64 with gradients where there are any.

        Raises:
            NotApplicableError: if an ending is empty.
        """
        ...

    def likelihoods(self, prompts: Sequence[str], endings: Sequence[str]) -> NDArray[np.float64]:
        """Log likelihoods `(p, e)` in nats, summed over tokens, of each ending after each prompt.

        Raises:
            NotApplicableError: if an ending is empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class Transcripts:
    """What was written down of `n` sounds, and of how many of them not all.

    `sounds_cut` were longer than the model hears, `texts_cut` had no end after as many tokens as
    the model has positions.
    """

    texts: tuple[str, ...]
    sounds_cut: int
    texts_cut: int


class Transcriber(Protocol):
    """A backbone that writes down what it hears. `network` is all of it, encoder and decoder;
    `window` the seconds that clips are padded to, None for whole seconds of their own."""

    network: Any
    window: int | None

    def fresh(self, window: int | None) -> Transcriber:
        """A copy to be trained, with windows of its own."""
        ...

    def speaking(self, language: str) -> Transcriber:
        """The same model for sounds in the language of that code; empty: heard from each sound.

        Raises:
            NotApplicableError: if it does not tell that language from others.
        """
        ...

    def prepare(self, inputs: Sequence[Input]) -> Prepared:
        """Resample `n` sounds, in order."""
        ...

    def transcribe(self, inputs: Sequence[Input]) -> Transcripts:
        """What is said in each of `inputs` `(n,)`."""
        ...

    def beyond(self, texts: Sequence[str]) -> int:
        """How many of `texts` are longer than the model's positions: `loss` leaves their end."""
        ...

    def loss(
        self,
        prepared: Any,
        part: NDArray[np.int64],
        batch: NDArray[np.int64],
        texts: Sequence[str],
    ) -> Any:
        """What the sounds at `part` `(p,)` add to the mean cross entropy of the tokens of a `batch`
        `(b,)` that they belong to; `texts` `(n,)` are the transcripts of all that is prepared."""
        ...


class Backbone(Protocol):
    """A loaded backbone on one device.

    `packs` says that a batch of items of unlike lengths costs no padding. `tokenizer` is
    the digest of whatever decides token ids, empty where inputs are not tokenised.
    """

    packs: bool
    tokenizer: str

    @property
    def spec(self) -> BackboneSpec: ...

    def prepare(self, inputs: Sequence[Input]) -> Prepared:
        """Tokenise / decode `n` inputs, in order."""
        ...

    def collate(self, prepared: Any, indices: NDArray[np.int64]) -> Any:
        """Make the batch of `indices` `(b,)` as tensors on the host: a tensor, or a mapping with
        tensors in it. Lengths fall where the backbone packs."""
        ...

    def forward(self, batch: Any) -> Any:
        """Run one batch, which is on the device: pooled features `(b, width)` float32."""
        ...

    def module(self) -> Any:
        """The torch module itself, to be looked at."""
        ...

    def trainable(self) -> Trainable:
        """A copy for the methods that train it; this backbone stays as it is.

        Raises:
            NotApplicableError: if there is nothing to train.
        """
        ...
