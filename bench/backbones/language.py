"""Decoder language models: how likely they find an ending after a prompt."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.backbones.plugin import seed_random_weights, torch_dtype
from bench.backbones.pretrained import require_weights
from bench.backbones.products import speed_up
from bench.core.backbone import BackboneSpec, LanguageModel, Weights
from bench.core.errors import NotApplicableError
from bench.core.suite import Precision

CAUSAL = ("ForCausalLM", "LMHeadModel")
"""How transformers' names of decoder language models end."""
LONGEST = 1024
"""Tokens of a prompt with its ending where neither the suite nor the model says."""
MOST = 8192
"""The same where the model has more positions and the suite does not say (`max_length`): keys and
values of a prompt are held once for every class, 128 KiB a token in Llama 3.1 8B."""


BEFORE = ":"
"""What an ending is tokenised behind, as it stands behind a prompt: by itself, some tokenizers (of
SentencePiece) begin it with the sign of a space more than the text has."""


class CausalModel:
    """See `bench.core.backbone.LanguageModel`."""

    def __init__(self, network: Any, tokenizer: Any, longest: int) -> None:
        self.network, self._tokenizer, self._longest = network, tokenizer, longest
        self._device = next(network.parameters()).device
        known = signature(network.forward).parameters  # some have no scores but those of all tokens
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in known else {}

    def fresh(self) -> LanguageModel:
        return CausalModel(copy.deepcopy(self.network).float(), self._tokenizer, self._longest)

    def likelihoods(self, prompts: Sequence[str], endings: Sequence[str]) -> NDArray[np.float64]:
        import torch

        with torch.inference_mode():
            found: NDArray[np.float64] = self.scores(prompts, endings).cpu().numpy()
        return found

    def room(self, endings: Sequence[str]) -> int:
        longest = max(map(len, self._tails(endings)))
        if longest >= self._longest:
            raise NotApplicableError(f"an ending of {longest} tokens leaves no room for a prompt")
        return self._longest - longest

    def tokens(self, prompt: str) -> int:
        return len(self._whole(prompt))

    def scores(self, prompts: Sequence[str], endings: Sequence[str]) -> Any:
        import torch

        tails, room = self._tails(endings), self.room(endings)
        rows = [self._of_one(self._start(prompt, room), tails) for prompt in prompts]
        if not rows:
            return torch.zeros((0, len(endings)), dtype=torch.float64, device=self._device)
        return torch.stack(rows)

    def _start(self, prompt: str, room: int) -> list[int]:
        """Ids of a prompt; one that is too long loses its beginning."""
        return self._whole(prompt)[-room:]

    def _whole(self, prompt: str) -> list[int]:
        return list(self._tokenizer(prompt)["input_ids"] or [self._tokenizer.eos_token_id or 0])

    def _tails(self, endings: Sequence[str]) -> list[list[int]]:
        found = [self._tail(ending) for ending in endings]
        if not all(found):
            raise NotApplicableError("an ending without a token has no likelihood")
        return found

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _tail(self, ending: str) -> list[int]:
        """Ids of an ending behind a prompt."""
        before, whole = self._ids(BEFORE), self._ids(BEFORE + ending)
        apart = whole[: len(before)] == before  # no token reaches from one into the other
        return (whole[len(before) :] if apart else []) or self._ids(ending)

    def _of_one(self, start: list[int], tails: Sequence[list[int]]) -> Any:
        """Sums of log likelihoods `(e,)`: the prompt is computed once, its endings as a batch."""
        import torch

        prompt = torch.tensor([start], device=self._device)
        said = self.network(prompt, use_cache=True, **self._last)
        first = said.logits[0, -1].double().log_softmax(dim=-1)
        total = first[torch.tensor([tail[0] for tail in tails], device=self._device)]
        longest = max(map(len, tails))
        if longest > 1:
            cache = said.past_key_values
            cache.batch_repeat_interleave(len(tails))
            ids = torch.zeros(len(tails), longest, dtype=torch.int64)
            for row, tail in enumerate(tails):
                ids[row, : len(tail)] = torch.tensor(tail)
            ids = ids.to(self._device)  # what fills up the rows comes after all that is looked at
            logits = self.network(ids[:, :-1], past_key_values=cache, use_cache=True).logits
            told = logits.double().log_softmax(dim=-1).gather(2, ids[:, 1:, None])[..., 0]
            counts = torch.tensor([len(tail) for tail in tails], device=self._device)
            real = torch.arange(longest - 1, device=self._device)[None] < counts[:, None] - 1
            total = total + (told * real).sum(dim=1)
        return total


def load_language_model(
    spec: BackboneSpec, folder: Path, device: str, precision: Precision
) -> LanguageModel:
    """The decoder language model in a folder of safetensors.

    Raises:
        NotApplicableError: if the model in it is none.
        UserError: if its only weights are pickled, or are adapters alone.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    require_weights(spec, folder)
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    names = config.architectures or []
    if not any(name.endswith(CAUSAL) for name in names):
        what = ", ".join(names) or config.model_type
        raise NotApplicableError(f"{spec.name} is no decoder language model, but {what}")
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    dtype = torch_dtype(precision)
    if spec.weights is Weights.RANDOM:
        seed_random_weights(spec)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False).to(dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), trust_remote_code=False, use_safetensors=True, dtype=dtype
        )
    model = speed_up(model).to(device).eval()
    return CausalModel(model, tokenizer, longest_of(spec, config))


def longest_of(spec: BackboneSpec, config: Any) -> int:
    """Tokens of a prompt with its ending: what the model has positions for, and the suite says."""
    positions = getattr(config, "max_position_embeddings", None)
    if spec.max_length:
        return min(spec.max_length, int(positions or spec.max_length))
    return min(int(positions or LONGEST), MOST)
