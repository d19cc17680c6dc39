"""Whisper whole: from sounds to words, and the loss of words, for whoever trains it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.audio import LONGEST_SECONDS
from bench.backbones.speech import LogMel, whisper_states
from bench.backbones.waveforms import RATE, PreparedSounds, prepare_sounds
from bench.core.backbone import Transcripts
from bench.core.errors import NotApplicableError
from bench.core.task import Input

AT_ONCE = 8
"""Clips that are decoded together."""

Tensor = Any


@dataclass(frozen=True, slots=True)
class Words:
    """A tokenizer, and the ids that a transcript begins with, ends with and never has.

    A model of several languages has their ids by their codes; one of them stands after `start`, and
    `then` after it.
    """

    tokenizer: Any
    start: tuple[int, ...]
    end: int
    never: tuple[int, ...] = ()
    never_first: tuple[int, ...] = ()
    languages: Mapping[str, int] = field(default_factory=dict)
    then: tuple[int, ...] = ()

    @property
    def begin(self) -> int:
        """Tokens before a transcript."""
        return len(self.start) + (1 + len(self.then) if self.languages else 0)

    def ids(self, text: str) -> list[int]:
        """A transcript as it is learned: what comes after its beginning, with its end."""
        return [*self.tokenizer(f" {text}", add_special_tokens=False)["input_ids"], self.end]


class WhisperTranscriber:
    """See `bench.core.backbone.Transcriber`.

    Args:
        model: transformers' WhisperForConditionalGeneration, on the device.
        words: its vocabulary.
        window: seconds that each clip is padded to; None: whole seconds of its own. Untrained
            decoding needs the 30 that the model was trained with: in short windows it does not end.
        language: the code of the one that is spoken; empty: heard from each clip.
    """

    def __init__(
        self,
        model: Any,
        words: Words,
        window: int | None = LONGEST_SECONDS,
        language: str = "",
    ) -> None:
        self.network, self.words, self.window, self.language = model, words, window, language
        self._front = LogMel(int(model.config.num_mel_bins))
        self._device = next(model.parameters()).device
        self._positions = int(model.config.max_target_positions)

    def fresh(self, window: int | None) -> WhisperTranscriber:
        """A copy to be trained, with windows of its own."""
        return WhisperTranscriber(copy.deepcopy(self.network), self.words, window, self.language)

    def speaking(self, language: str) -> WhisperTranscriber:
        """The same model, for sounds in one language.

        Raises:
            NotApplicableError: if it does not tell that language from others.
        """
        known = self.words.languages
        if language and language not in known:
            has = ", ".join(sorted(known)) or "one language alone"
            raise NotApplicableError(f"language {language!r}: the model has {has}")
        return WhisperTranscriber(self.network, self.words, self.window, language)

    def prepare(self, inputs: Sequence[Input]) -> PreparedSounds:
        return prepare_sounds(inputs, LONGEST_SECONDS)

    def transcribe(self, inputs: Sequence[Input]) -> Transcripts:
        """The most likely next token, again and again, of each sound (greedy decoding)."""
        import torch

        prepared = self.prepare(inputs)
        found, cut = [""] * len(inputs), 0
        windows = np.full_like(prepared.lengths, self.window) if self.window else prepared.lengths
        with torch.inference_mode():
            for seconds in np.unique(windows):
                rows = np.flatnonzero(windows == seconds)
                for start in range(0, len(rows), AT_ONCE):
                    some = rows[start : start + AT_ONCE]
                    said, endless = self._decode(self._states(prepared, some, int(seconds)))
                    cut += endless
                    for row, text in zip(some, said, strict=True):
                        found[row] = text
        return Transcripts(tuple(found), int(prepared.truncated.sum()), cut)

    def beyond(self, texts: Sequence[str]) -> int:
        room = self._positions - self.words.begin
        return sum(len(self.words.ids(text)) > room for text in texts)

    def loss(
        self,
        prepared: PreparedSounds,
        part: NDArray[np.int64],
        batch: NDArray[np.int64],
        texts: Sequence[str],
    ) -> Tensor:
        """What `part` adds to the mean cross entropy of the tokens of `batch`, differentiable."""
        import torch

        seconds = self.window or int(prepared.lengths[batch].max())
        states = self._states(prepared, part, seconds)
        begun = self._begun(states)
        room = self._positions - len(begun[0])
        learned = {i: self.words.ids(texts[i])[:room] for i in batch.tolist()}
        rows = [[*begin, *learned[i]] for begin, i in zip(begun, part.tolist(), strict=True)]
        tokens, of = (sum(len(learned[i]) for i in some.tolist()) for some in (part, batch))
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.words.end, device=self._device)
        wanted = torch.full((len(rows), longest), -100, device=self._device)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            wanted[i, : len(row)] = torch.tensor(row)
        wanted[:, : len(begun[0])] = -100  # nobody has to guess the beginning
        out = self.network.model.decoder(input_ids=ids[:, :-1], encoder_hidden_states=states)
        scores = self.network.proj_out(out.last_hidden_state)
        mean = torch.nn.functional.cross_entropy(
            scores.float().flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=-100
        )
        return mean * (tokens / of)

    def _states(self, prepared: PreparedSounds, indices: NDArray[np.int64], seconds: int) -> Tensor:
        waves = [prepared.waves[i][: seconds * RATE] for i in indices]
        mel = self._front.inputs(waves, seconds)["input"].to(self._device)
        encoder = self.network.get_encoder()
        return whisper_states(encoder, {"input": mel.to(encoder.conv1.weight.dtype)})

    def _begun(self, states: Tensor) -> list[list[int]]:
        """What the transcript of each clip begins with. Where the language is not given it is the
        one that the model finds most likely after the start (Radford et al. 2022, section 2.3)."""
        import torch

        words, count = self.words, len(states)
        ids = list(words.languages.values())
        if not ids:
            return [[*words.start]] * count
        if self.language:
            return [[*words.start, words.languages[self.language], *words.then]] * count
        with torch.no_grad():
            start = torch.tensor([words.start] * count, device=self._device)
            out = self.network.model.decoder(input_ids=start, encoder_hidden_states=states)
            scores = self.network.proj_out(out.last_hidden_state[:, -1])[:, ids]
        return [[*words.start, ids[i], *words.then] for i in scores.argmax(dim=1).tolist()]

    def _decode(self, states: Tensor) -> tuple[list[str], int]:
        """Transcripts, and how many of them have no end within the decoder's positions."""
        import torch

        count = len(states)
        now = torch.tensor(self._begun(states), device=self._device)
        done = torch.zeros(count, dtype=torch.bool, device=self._device)
        said: list[list[int]] = [[] for _ in range(count)]
        past = None
        for step in range(self._positions - self.words.begin):
            out = self.network.model.decoder(
                input_ids=now, encoder_hidden_states=states, past_key_values=past, use_cache=True
            )
            past = out.past_key_values
            scores = self.network.proj_out(out.last_hidden_state[:, -1]).float()
            scores[:, list(self.words.never)] = float("-inf")
            if step == 0:
                scores[:, list(self.words.never_first)] = float("-inf")
            chosen = scores.argmax(dim=1)
            done |= chosen == self.words.end
            for i in torch.nonzero(~done).flatten().tolist():
                said[i].append(int(chosen[i]))
            if bool(done.all()):
                break
            now = chosen[:, None]
        texts = [self.words.tokenizer.decode(ids, skip_special_tokens=True) for ids in said]
        return texts, int((~done).sum())
