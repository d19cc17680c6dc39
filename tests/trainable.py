"""Tiny backbones that can be trained, and what the runner would put around them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperModel,
    WhisperTokenizer,
)

from bench import methods
from bench.assets import digest_file, digest_tree
from bench.core.errors import NotApplicableError
from bench.core.method import HeldOut, Needs
from bench.core.predictions import ClassPredictions
from bench.core.task import Modality, RareRule
from bench.runner.execute import CellContext
from bench.runner.plan import make_plan, validated
from bench.runner.tune import divide
from bench.runner.workbench import Workbench
from bench.suite_file import parse

TICKETS = Path(__file__).parents[1] / "examples" / "tickets.csv"
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PER_CLASS = 20


def save_tokenizer(folder: Path, texts: list[str]) -> int:
    """Word pieces of `texts`; how many there are.

    Written out, not trained: the library's trainer breaks ties differently in every process.
    """
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower())})
    letters = sorted({letter for word in words for letter in word})
    pieces = dict.fromkeys([*SPECIAL, *letters, *(f"##{x}" for x in letters), *words])
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )
    wrapped.save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def save_bert(folder: Path, texts: list[str], **changes) -> Path:
    """A two-layer BERT, as a user's own folder would be."""
    count = save_tokenizer(folder, texts)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=count,
        max_position_embeddings=64,
        initializer_range=0.1,  # at BERT's own 0.02 two layers of this width hardly mix anything
        **{**SMALL, **changes},
    )
    BertModel(config).save_pretrained(folder)
    return folder


def save_decoder(folder: Path, texts: list[str]) -> Path:
    """A two-layer GPT-2 with the same word pieces."""
    count = save_tokenizer(folder, texts)
    torch.manual_seed(0)
    small = {"n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.2}  # cf. `save_bert`
    config = GPT2Config(vocab_size=count, n_positions=512, **small)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def save_vit(folder: Path) -> Path:
    """A two-layer ViT at 16 pixels a side, in patches of 4."""
    torch.manual_seed(0)
    config = ViTConfig(image_size=16, patch_size=4, initializer_range=0.1, **SMALL)
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def save_whisper(folder: Path) -> Path:
    """A two-layer Whisper."""
    torch.manual_seed(0)
    layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 64}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64}
    config = WhisperConfig(d_model=32, vocab_size=64, init_std=0.1, **layers, **heads)
    for name in ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config, name, 1)
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def save_speech(folder: Path, texts: list[str], languages: tuple[str, ...] = ()) -> Path:
    """A Whisper that writes a few tokens, untrained: the letters and the words of `texts`. With
    `languages` it says which one a text is in, as the models of several do."""
    words = sorted({word for text in texts for word in text.split()})
    spelled = [f"\u0120{word}" for word in words]  # byte-level BPE's sign for a space before it
    merges = [pair for word in spelled for pair in _joins(word)]
    pieces = dict.fromkeys([*sorted(set("".join(spelled))), *("".join(pair) for pair in merges)])
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    spoken = [f"<|{code}|>" for code in languages]
    special += [*spoken, "<|transcribe|>"] if languages else []
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *special])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=list(dict.fromkeys(merges)))
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 64}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64}
    end, start = vocabulary[special[0]], vocabulary[special[1]]
    config = WhisperConfig(d_model=32, vocab_size=len(vocabulary), init_std=0.1, **layers, **heads,
                           decoder_start_token_id=start, bos_token_id=end, eos_token_id=end,
                           pad_token_id=end, begin_suppress_tokens=[])  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    if languages:
        model.generation_config._from_model_config = False  # or reading it makes another
        model.generation_config.lang_to_id = {name: vocabulary[name] for name in spoken}
        model.generation_config.task_to_id = {"transcribe": vocabulary["<|transcribe|>"]}
        model.generation_config.no_timestamps_token_id = vocabulary["<|notimestamps|>"]
    with torch.no_grad():  # nothing taught it to stop: from the eighth token on it does
        decoder = model.model.decoder
        stop = torch.nn.init.normal_(decoder.embed_tokens.weight[end], std=0.1)  # 0 as padding
        decoder.embed_positions.weight[8:] = 10 * stop
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    return folder


def _joins(word: str) -> list[tuple[str, str]]:
    """The merges that spell a word from its first letter on."""
    return [(word[:i], word[i]) for i in range(1, len(word))]


RATE = 8000
SWEEPS = {"falling": (1200.0, 300.0), "rising": (300.0, 1200.0), "steady": (600.0, 600.0)}
"""Hz at the beginning and at the end."""


def sweep(kind: str, number: int) -> np.ndarray:
    """A tone that rises, falls or stays, in noise: `(t,)` float32 of a third to half a second."""
    rng = np.random.default_rng([number, *kind.encode()])
    low, high = np.array(SWEEPS[kind]) * rng.uniform(0.8, 1.25)
    count = int(RATE * rng.uniform(0.3, 0.5))
    phase = 2 * np.pi * np.cumsum(np.linspace(low, high, count)) / RATE
    return (0.3 * np.sin(phase) + 0.01 * rng.standard_normal(count)).astype(np.float32)


def save_sweeps(folder: Path, each: int = 80) -> Path:
    """A folder of sounds with a subfolder for each class."""
    for kind in SWEEPS:
        (folder / kind).mkdir(parents=True)
        for i in range(each):
            soundfile.write(folder / kind / f"{i}.wav", sweep(kind, i), RATE)
    return folder


class Kit:
    """Small problems (digits, the example's tickets, tones), backbones for them, and contexts."""

    def __init__(self, folder: Path) -> None:
        tickets = f"file:{TICKETS}"
        texts = [line.split('"')[1] for line in TICKETS.read_text().splitlines() if '"' in line]
        saved = {
            "tiny-text": save_bert(folder / "bert", texts),
            "tiny-image": save_vit(folder / "vit"),
            "tiny-decoder": save_decoder(folder / "gpt", texts),
            "tiny-audio": save_whisper(folder / "whisper"),
        }
        sounds = save_sweeps(folder / "sweeps")
        self.pins = {f"file:{path}": digest_tree(path) for path in saved.values()}
        self.pins[tickets] = digest_file(TICKETS)
        self.pins[f"file:{sounds}"] = digest_tree(sounds)
        modalities = {"tiny-image": "image", "tiny-audio": "audio"}
        self.backbones = [
            {"name": f"file:{path}", "label": label, "pooling": "mean"}
            | ({"modality": modalities[label]} if label in modalities else {})
            for label, path in saved.items()
        ]
        self.tasks = [
            {"name": "digits", "train": {"per_class": PER_CLASS}},
            {
                "name": "tickets",
                "data": tickets,
                "input": "body",
                "label": "queue",
                "train": {"per_class": PER_CLASS},
            },
            {
                "name": "sweeps",
                "data": f"file:{sounds}",
                "modality": "audio",
                "train": {"per_class": PER_CLASS},
            },
        ]
        self.plan = self.planned([{"name": "probe"}])
        self.bench = Workbench("cpu", folder / "cache", lambda *_: None)
        self.fitted: dict = {}  # what tests share

    def planned(self, entries: list[dict], **suite):
        """The plan of a suite with these methods on every problem and backbone here."""
        raw = {
            "suite": {"name": "tiny", **suite},
            "task": self.tasks,
            "backbone": [*self.backbones, {"name": "raw-pixels"}],
            "method": entries,
        }
        return make_plan(validated(parse(raw, Path("tiny.toml"))), self.pins)

    def source(self, modality: Modality, needs: Needs):
        """Features of what a method with such needs is tried on; None where it needs none."""
        if needs in {Needs.INPUTS, Needs.MEMBERS}:
            return None
        pixels = modality is Modality.IMAGE and needs is Needs.FEATURES
        label = "raw-pixels" if pixels else f"tiny-{modality}"
        label = "tiny-decoder" if needs is Needs.LANGUAGE else label
        (cell,) = [cell for cell in self.plan.cells if cell.backbone_label == label]
        return self.bench.feature_source(cell, self.splits[modality][0])

    @cached_property
    def splits(self):
        """(train, test, class names) by modality: 20 training items a class."""
        found = {}
        names = {"digits": Modality.IMAGE, "tickets": Modality.TEXT, "sweeps": Modality.AUDIO}
        for name, modality in names.items():
            loaded = self.plan.tasks[name].load()
            train, chosen = loaded.train, []
            order = np.random.default_rng(0).permutation(len(train))
            for c in range(len(loaded.class_names)):
                chosen += [i for i in order if train.targets[i] == c][:PER_CLASS]
            test = loaded.test.take(np.arange(min(120, len(loaded.test))))
            train = replace(train.take(np.sort(chosen)), places=np.arange(len(chosen)))
            found[modality] = train, test, loaded.class_names
        return found

    def context(self, modality, needs=Needs.MODULE, *, seed=0, members=(), unlabelled=(), **more):
        """A method's context, as the runner would make it."""
        names = self.splits[modality][2]
        source = self.source(modality, needs)
        return CellContext(
            names, seed, "cpu", source, members=members, unlabelled=unlabelled, **more
        )

    def member(self, name: str, modality, train):
        """A method fitted on `train`, for whoever builds on it."""
        method = methods.registry()[name]
        return FittedMember(method, train, self.context(modality, method.spec.needs))


class FittedMember:
    """A real fit as `bench.core.method.Member`, with held-out predictions of the runner's folds."""

    def __init__(self, method, train, context) -> None:
        self.label = method.spec.name
        self._method, self._train, self._context = method, train, context
        self._fitted = method.fit(method.spec.defaults, train, None, context)

    def predict(self, inputs):
        return self._fitted.predict(inputs)

    def size(self):
        return self._fitted.size()

    @cached_property
    def _held(self):
        rows, places = [], []
        for learned, held in divide(self._train, 0, RareRule.ERROR, 0).pairs:
            fold = self._train.take(held)
            defaults = self._method.spec.defaults
            fitted = self._method.fit(defaults, self._train.take(learned), fold, self._context)
            rows.append(fitted.predict(fold.inputs).probabilities)
            places.append(held)
        if not rows:
            raise NotApplicableError("nothing was held out")
        at = np.concatenate(places)
        told = ClassPredictions(np.concatenate(rows))
        return HeldOut(self._train.places[at], self._train.targets[at], told)

    def held_out(self):
        return self._held

    def apart(self, train):
        return FittedMember(self._method, train, self._context)

    def features(self, inputs):
        return self._context.features(inputs)

    def present(self, inputs):
        return np.ones(len(inputs), dtype=bool)
