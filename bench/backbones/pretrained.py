"""transformers' models from a folder: safetensors alone, never the code that lies beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.backbones.fused import PADDED_POSITIONS
from bench.backbones.plugin import seed_random_weights, torch_dtype
from bench.backbones.products import speed_up
from bench.core.backbone import BackboneSpec, Weights
from bench.core.errors import UserError
from bench.core.suite import Precision


def load_model(spec: BackboneSpec, folder: Path, precision: Precision) -> Any:
    """The model in `folder`, or its untrained twin, on the CPU.

    Raises:
        UserError: if its only weights are pickled or they are damaged, or if transformers has no
            such model without code of its own.
    """
    from safetensors import SafetensorError

    try:
        return speed_up(_loaded(spec, folder, precision))
    except SafetensorError as error:
        raise UserError(
            f"backbone {spec.name!r}: the weights in {folder.name} are damaged ({error})"
        ) from error
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise UserError(
            f"backbone {spec.name!r}: {folder.name} can be loaded only with Python code that lies "
            "beside its weights, and that is never run"
        ) from error


def require_weights(spec: BackboneSpec, folder: Path) -> None:
    """Refuse a folder that is not a whole model in safetensors.

    Of adapters alone transformers would load the base that they name, wherever that is and
    whatever is there now: it would be in no digest.

    Raises:
        UserError: if it is one of adapters, or has no such weights where these are wanted.
    """
    if (folder / "adapter_config.json").exists():
        raise UserError(
            f"backbone {spec.name!r}: {folder.name} holds adapters (adapter_config.json) and not a "
            "whole model; merge them into their base and save that"
        )
    if spec.weights is Weights.PRETRAINED and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"backbone {spec.name!r}: {folder.name} holds no .safetensors weights; "
            "pickled weights (.bin, .pt) can run code and are not read"
        )


def _loaded(spec: BackboneSpec, folder: Path, precision: Precision) -> Any:
    from transformers import AutoConfig, AutoModel

    require_weights(spec, folder)
    dtype = torch_dtype(precision)
    if spec.weights is Weights.RANDOM:
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
        seed_random_weights(spec)
        return AutoModel.from_config(config, trust_remote_code=False).to(dtype)
    return AutoModel.from_pretrained(
        str(folder), trust_remote_code=False, use_safetensors=True, dtype=dtype
    )


def positions_of(model: Any) -> int | None:
    """How many tokens a text may have; None where positions are no table."""
    embeddings = getattr(model, "embeddings", None)
    most = getattr(getattr(embeddings, "position_embeddings", None), "num_embeddings", None)
    if most is not None and model.config.model_type in PADDED_POSITIONS:
        return int(most) - 1 - int(getattr(embeddings, "padding_idx", 0) or 0)
    return None if most is None else int(most)


def check_length(spec: BackboneSpec, model: Any, tokenizer: Any) -> None:
    """Refuse a `max_length` that leaves no room for words, or is more than the model's positions.

    Raises:
        UserError: if it is.
    """
    most = positions_of(model)
    extra = getattr(tokenizer, "num_special_tokens_to_add", lambda: 0)()
    if most is not None and spec.max_length > most:
        raise UserError(
            f"backbone {spec.name!r}: max_length = {spec.max_length}, but it has {most} positions"
        )
    if 0 < spec.max_length <= extra:
        raise UserError(
            f"backbone {spec.name!r}: max_length = {spec.max_length} leaves no room beside the "
            f"{extra} tokens around each text"
        )
