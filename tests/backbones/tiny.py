"""Tiny models of real architectures, saved as a user's own folder would be."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

WORDS = [
    "[PAD]",
    "[CLS]",
    "[SEP]",
    "[UNK]",
    *["the", "a", "cat", "dog", "sat", "ran", "on", "mat", "fast", "slow"],
]
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def save_text(folder: Path, kind: str = "bert") -> Path:
    """A two-layer encoder with a word tokenizer."""
    words = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=32,
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    if kind == "bert":
        config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **SMALL)
        BertModel(config).save_pretrained(folder)
    else:
        config = T5Config(
            vocab_size=len(WORDS), d_model=16, d_ff=32, num_layers=2, num_heads=2, d_kv=8
        )
        T5Model(config).save_pretrained(folder)
    return folder


def save_image(folder: Path, kind: str) -> Path:
    """A two-layer vision encoder at 32 pixels a side."""
    torch.manual_seed(0)
    vit = {**SMALL, "image_size": 32, "patch_size": 8}
    if kind == "vit":
        model = ViTModel(ViTConfig(**vit))
    elif kind == "dinov2":
        model = Dinov2Model(Dinov2Config(**{**vit, "mlp_ratio": 2}))
    elif kind == "convnext":
        model = ConvNextModel(
            ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32)
        )
    else:
        text = {**SMALL, "vocab_size": 16, "max_position_embeddings": 8}
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vit, projection_dim=8))
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
