"""Prefix tuning: keys and values that every layer's attention finds before the text."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from bench.core.errors import NotApplicableError

Module = Any  # torch.nn.Module: torch is imported where it is used

TAKEN = ("past_key_values", "attention_mask", "position_ids")
"""What a network must take: the prefix, that it is to be seen, and that it moves no position."""


def with_peft(network: Module, config: Any) -> Module:
    """A network of transformers' with what a configuration of peft's says."""
    import peft

    with warnings.catch_warnings():  # peft asks transformers by a name that is on its way out
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        return peft.get_peft_model(network, config)


def with_prefix(encoder: Module, tokens: int, seed: int) -> Module:
    """A network of transformers' with a learned prefix, the only weights there that may change.

    It cannot be folded into the weights: what is returned is what predicts. Positions stay those
    of pretraining, from the text's first token on; peft's own forward pass would move them by
    `tokens`, and a text of full length out of the table.

    Args:
        encoder: a module from token ids to hidden states.
        tokens: how many keys and values a layer.
        seed: of their start.

    Raises:
        NotApplicableError: if the network takes no keys and values from outside.
    """
    import peft
    import torch

    taken = inspect.signature(encoder.forward).parameters
    if missing := [name for name in TAKEN if name not in taken]:
        raise NotApplicableError(
            f"kind 'prefix' hands keys and values to the attention, and {type(encoder).__name__}"
            f" takes no {missing[0]}: lora, dora and ia3 need none"
        )
    torch.manual_seed(seed)
    config = peft.PrefixTuningConfig(
        task_type=peft.TaskType.FEATURE_EXTRACTION, num_virtual_tokens=tokens
    )

    class Prefixed(torch.nn.Module):
        """An encoder and its prefix."""

        def __init__(self) -> None:
            super().__init__()
            self.prefixed = with_peft(encoder, config)
            self.config = encoder.config

        def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
            """The hidden states of the text alone."""
            count, length = input_ids.shape
            seen = torch.ones(count, tokens + length, dtype=torch.int64, device=input_ids.device)
            if attention_mask is not None:
                seen[:, tokens:] = attention_mask
            return self.prefixed.get_base_model()(
                input_ids=input_ids,
                attention_mask=seen,
                position_ids=positions(encoder, input_ids),
                past_key_values=self.prefixed.get_prompt(count),
            )

    return Prefixed()


def positions(encoder: Module, ids: Any) -> Any:
    """Where each of the tokens `(b, s)` stands, as if nothing stood before the text."""
    import torch

    embeddings: Any = getattr(encoder, "embeddings", None)
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # RoBERTa counts from its pad
        return embeddings.create_position_ids_from_input_ids(ids, embeddings.padding_idx)
    return torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
