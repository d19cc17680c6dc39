"""Whisper out of CTranslate2's file into transformers' network, so that it can be trained.

The file (CTranslate2's `model_spec.py`, version 6): a version, the kind of model, its revision;
then each variable as name, shape, type and bytes; then aliases. All numbers are little-endian.
Nothing in it is code, and a wrong length is an error before anything is copied.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import UserError

KIND, VERSION = "WhisperSpec", 6
TYPES: Mapping[int, str] = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
Arrays = dict[str, NDArray[Any]]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise ValueError("it ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def text(self) -> str:
        return self.take(self.number("<H")).rstrip(b"\0").decode("utf-8")


def read_variables(path: Path) -> Arrays:
    """The variables of a Whisper model that CTranslate2 wrote, by their names there.

    Raises:
        UserError: if it is something else, or damaged.
    """
    reader = _Reader(path.read_bytes())
    try:
        version, kind = reader.number("<I"), reader.text()
        if (version, kind) != (VERSION, KIND):
            raise ValueError(f"it is {kind!r} in version {version}")  # noqa: TRY301
        reader.number("<I")  # the revision
        found: Arrays = {}
        for _ in range(reader.number("<I")):
            name = reader.text()
            shape = [reader.number("<I") for _ in range(reader.number("<B"))]
            kind_of = np.dtype(TYPES[reader.number("<B")])
            found[name] = np.frombuffer(reader.take(reader.number("<I")), kind_of).reshape(shape)
    except (ValueError, KeyError, struct.error) as error:
        raise UserError(f"{path.name} is no Whisper model of CTranslate2: {error}") from error
    return found


def whisper(path: Path) -> Any:
    """transformers' WhisperForConditionalGeneration with the weights of such a file, in float32.

    Raises:
        UserError: if the file has not what that network needs.
    """
    import torch
    from transformers import WhisperForConditionalGeneration

    variables = read_variables(path)
    try:
        config = whisper_config(variables)
        state = {name: torch.from_numpy(a.astype(np.float32)) for name, a in _renamed(variables)}
        model = WhisperForConditionalGeneration(config)
        model.load_state_dict(state, strict=False)
        wanted = dict(model.named_parameters())
        missing = sorted(wanted.keys() - state.keys() - {"proj_out.weight"})
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{path.name} does not fit Whisper: {error}") from error
    if missing:
        raise UserError(f"{path.name} does not fit Whisper: {missing[0]} is not in it")
    model.tie_weights()
    return model


def whisper_config(variables: Mapping[str, NDArray[Any]]) -> Any:
    """The configuration that the shapes tell; heads are counted in the file, too."""
    from transformers import WhisperConfig

    vocabulary, width = variables["decoder/embeddings/weight"].shape
    heads = int(variables["encoder/num_heads"])
    start = vocabulary - 1607  # 50257 in tiny.en: <|endoftext|> is 50256 there
    return WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        num_mel_bins=variables["encoder/conv1/weight"].shape[1],
        encoder_layers=_layers(variables, "encoder"),
        decoder_layers=_layers(variables, "decoder"),
        encoder_attention_heads=heads,
        decoder_attention_heads=int(variables["decoder/num_heads"]),
        encoder_ffn_dim=variables["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_ffn_dim=variables["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        max_source_positions=variables["encoder/position_encodings/encodings"].shape[0],
        max_target_positions=variables["decoder/position_encodings/encodings"].shape[0],
        decoder_start_token_id=start,
        bos_token_id=start - 1,
        eos_token_id=start - 1,
        pad_token_id=start - 1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def _layers(variables: Mapping[str, NDArray[Any]], part: str) -> int:
    pattern = re.compile(rf"{part}/layer_(\d+)/")
    return 1 + max(int(m.group(1)) for name in variables if (m := pattern.match(name)))


_PLAIN = {
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "ffn/layer_norm": "final_layer_norm",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "attention/linear_0": "encoder_attn.q_proj",
    "attention/linear_2": "encoder_attn.out_proj",
}
_JOINED = {  # several matrices, one below the other
    "self_attention/linear_0": [f"self_attn.{x}_proj" for x in "qkv"],
    "attention/linear_1": [f"encoder_attn.{x}_proj" for x in "kv"],
}
_ENDS = {"gamma": "weight", "beta": "bias"}


def _renamed(variables: Mapping[str, NDArray[Any]]) -> list[tuple[str, NDArray[Any]]]:
    """Variables under transformers' names."""
    found: list[tuple[str, NDArray[Any]]] = []
    for name, array in variables.items():
        part, _, rest = name.partition("/")
        middle, _, end = rest.rpartition("/")
        end = _ENDS.get(end, end)
        if match := re.fullmatch(r"layer_(\d+)/(.+)", middle):
            where = f"model.{part}.layers.{match.group(1)}"
            if (inner := match.group(2)) in _JOINED:
                names = _JOINED[inner]
                for each, piece in zip(names, np.split(array, len(names)), strict=True):
                    if not each.endswith("k_proj") or end != "bias":  # Whisper's keys have no bias
                        found.append((f"{where}.{each}.{end}", piece))
            elif inner in _PLAIN:
                found.append((f"{where}.{_PLAIN[inner]}.{end}", array))
        elif middle in {"conv1", "conv2", "layer_norm"}:
            found.append((f"model.{part}.{middle}.{end}", array))
        elif middle == "position_encodings":
            found.append((f"model.{part}.embed_positions.weight", array))
        elif middle == "embeddings":
            found.append((f"model.{part}.embed_tokens.weight", array))
    return found
