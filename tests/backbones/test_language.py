"""Decoder language models: an ending's tokens, and how likely they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Fast

from bench.assets import digest_tree
from bench.backbones import build
from bench.core.errors import NotApplicableError
from bench.core.suite import BackboneEntry, Precision

PROMPTS = ["Text: a cat sat\nClass:", "Class:"]
ENDINGS = [" cat", " mat sat"]


def pieces(sign: str) -> Tokenizer:
    """Byte pairs of a few words, a space before them written as `sign`."""
    words = [f"{sign}{word}" for word in ("cat", "mat", "sat", "a")]
    merges = [(word[:i], word[i]) for word in words for i in range(1, len(word))]
    letters = sorted(set("".join(words) + "Text:Class\n\u010a"))
    names = dict.fromkeys(["<s>", "</s>", "<unk>", *letters, *("".join(pair) for pair in merges)])
    vocabulary = {name: i for i, name in enumerate(names)}
    return Tokenizer(models.BPE(vocabulary, list(dict.fromkeys(merges)), unk_token="<unk>"))


def sentence_pieces() -> Fast:
    """As Llama 2's: a sign of a space before every text, written into it."""
    tokenizer = pieces("\u2581")
    signs = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    tokenizer.normalizer = normalizers.Sequence(signs)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return Fast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def bytes_of_texts() -> Fast:
    """As those of GPT-2, Llama 3 and Qwen."""
    tokenizer = pieces("\u0120")
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return Fast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def save_llama(folder: Path, tokenizer: Fast, **changes) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, vocab_size=len(tokenizer), initializer_range=0.3,
        **{"max_position_embeddings": 64, **changes},
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def loaded(folder: Path, **settings):
    name = f"file:{folder}"
    plugin = build(BackboneEntry(name=name, **settings), folder.parent, {name: digest_tree(folder)})
    return plugin.language_model("cpu", Precision.FP32)


def by_whole_texts(folder: Path) -> np.ndarray:
    """Log likelihoods of the endings by the library alone, of texts tokenised as wholes."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    found = np.zeros((len(PROMPTS), len(ENDINGS)))
    for i, prompt in enumerate(PROMPTS):
        start = len(tokenizer(prompt)["input_ids"])
        for j, ending in enumerate(ENDINGS):
            ids = tokenizer(prompt + ending)["input_ids"]
            with torch.inference_mode():
                rows = model(torch.tensor([ids])).logits[0].double().log_softmax(dim=-1)
            found[i, j] = sum(float(rows[k - 1, ids[k]]) for k in range(start, len(ids)))
    return found


@pytest.mark.parametrize(
    ("positions", "asked", "longest"),
    [(64, 0, 64), (2048, 0, 2048), (131_072, 0, 8192), (131_072, 9000, 9000), (64, 100, 64),
     (2048, 100, 100)],
)  # fmt: skip
def test_a_prompt_may_have_what_model_and_suite_allow(tmp_path, positions, asked, longest):
    changes = {"max_position_embeddings": positions}
    folder = save_llama(tmp_path / "model", bytes_of_texts(), **changes)
    model = loaded(folder, **({"max_length": asked} if asked else {}))
    assert model.room([" cat", " mat cat"]) == longest - 2
    assert model.tokens(" cat mat cat") == 3
    if longest <= 100:
        with pytest.raises(NotApplicableError, match="an ending of 101 tokens leaves no room"):
            model.room([" cat" * 101])


@pytest.mark.parametrize("tokenizer", [sentence_pieces, bytes_of_texts])
def test_an_ending_is_scored_as_it_stands_in_the_text(tmp_path, tokenizer):
    folder = save_llama(tmp_path / "model", tokenizer())
    found = loaded(folder).likelihoods(PROMPTS, ENDINGS)
    np.testing.assert_allclose(found, by_whole_texts(folder), atol=1e-5)


def test_bytes_are_the_same_behind_a_text_and_by_themselves(tmp_path):
    model, tokenizer = loaded(save_llama(tmp_path / "model", bytes_of_texts())), bytes_of_texts()
    for ending in (*ENDINGS, " ", " 5", " !?", "cat", " \u00e9"):
        assert model._tail(ending) == tokenizer(ending, add_special_tokens=False)["input_ids"]
