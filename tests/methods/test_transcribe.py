"""Speech recognition with a tiny Whisper: it learns words, and what it says is kept as counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast, WhisperConfig, WhisperForConditionalGeneration

from bench.assets import digest_tree
from bench.backbones import build
from bench.backbones.transcriber import WhisperTranscriber, Words
from bench.core.errors import NotApplicableError
from bench.core.method import Transcribes
from bench.core.scoring import all_scores
from bench.core.suite import BackboneEntry
from bench.core.task import Modality, Sound, Split
from bench.core.transcripts import edits
from bench.methods import registry
from bench.store.predictions import from_bytes, items_of_edits, to_bytes, values_of
from tests.trainable import RATE, SWEEPS, save_speech, save_tokenizer, sweep

NAMES = tuple(SWEEPS)


@pytest.fixture(scope="module")
def transcriber(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    count = save_tokenizer(folder, list(NAMES))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    torch.manual_seed(0)
    layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 64}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 64}
    config = WhisperConfig(d_model=32, vocab_size=count, init_std=0.1, **layers, **heads,
                           decoder_start_token_id=2, bos_token_id=2, eos_token_id=3,
                           pad_token_id=3, max_target_positions=9)  # fmt: skip
    model = WhisperForConditionalGeneration(config).eval()
    return WhisperTranscriber(model, Words(tokenizer, (2,), 3), window=1)


class Context:
    """What the method asks of its context."""

    class_names, seed, device, mixed = NAMES, 0, "cpu", None

    def __init__(self, transcriber):
        self.transcriber = lambda: transcriber

    def scratch(self):
        return None

    def progress(self, *_):
        return None


def split(first, last):
    rows = [(kind, i) for i in range(first, last) for kind in SWEEPS]
    targets = np.array([NAMES.index(kind) for kind, _ in rows], dtype=np.int64)
    return Split([Sound(sweep(kind, i), RATE) for kind, i in rows], targets)


def test_it_learns_to_write_words(transcriber):
    method, test = registry()["finetune-transcribe"], split(20, 30)
    parameters = {**method.spec.defaults, "least_steps": 80, "learning_rate": 3e-3}
    before = transcriber.network.proj_out.weight.clone()
    fitted = method.fit(parameters, split(0, 20), None, Context(transcriber))
    assert torch.equal(transcriber.network.proj_out.weight, before)  # it trained a copy
    assert isinstance(fitted, Transcribes)
    said = fitted.transcribe(test.inputs)
    scores = all_scores(said, test.targets, NAMES)
    assert scores["word_accuracy"] > 0.6
    alone = [fitted.transcribe([sound]).texts[0] for sound in test.inputs[:6]]
    assert alone == list(said.texts[:6])
    assert fitted.size().trained > 0
    with pytest.raises(NotApplicableError):
        fitted.predict(test.inputs)


def test_untrained_it_says_something_of_everything(transcriber):
    method = registry()["transcribe"]
    fitted = method.fit(method.spec.defaults, split(0, 1), None, Context(transcriber))
    said = fitted.transcribe(split(0, 3).inputs)
    said.check(9, 3)
    assert fitted.size().trained == 0


def test_a_transcript_may_have_as_many_tokens_as_the_decoder_has_positions(tmp_path):
    count = save_tokenizer(tmp_path, list(NAMES))
    torch.manual_seed(0)
    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "decoder_ffn_dim": 16}
    config = WhisperConfig(d_model=16, vocab_size=count, max_target_positions=230, **layers,
                           **heads, decoder_start_token_id=2, bos_token_id=2, eos_token_id=3,
                           pad_token_id=3)  # fmt: skip
    model = WhisperForConditionalGeneration(config).eval()
    words = Words(PreTrainedTokenizerFast.from_pretrained(tmp_path), (2,), 3, never=(3,))
    endless, sounds = WhisperTranscriber(model, words, window=1), split(0, 1).inputs
    assert endless.beyond(["rising " * 228, "rising " * 229]) == 1
    prepared, one = endless.prepare(sounds), np.arange(1)
    losses = [
        float(endless.loss(prepared, one, one, ["rising " * n]).detach()) for n in (228, 229, 300)
    ]
    assert losses[0] != losses[1] == losses[2]  # the end of the first is learned, and no other
    decoder = model.get_decoder()
    decoder.forward = counted = Counted(decoder.forward)
    said = endless.transcribe(sounds)
    assert (said.sounds_cut, said.texts_cut) == (0, 3)
    assert counted.tokens == 229  # and the one that it begins with


class Counted:
    """A decoder's forward pass, and how many tokens it was given."""

    def __init__(self, forward):
        self.forward, self.tokens = forward, 0

    def __call__(self, **given):
        self.tokens += given["input_ids"].shape[1]
        return self.forward(**given)


def test_what_is_cut_is_told(transcriber):
    method, parts = registry()["finetune-transcribe"], split(0, 2)
    long = Split([Sound(np.resize(parts.inputs[0].samples, 31 * RATE), RATE), *parts.inputs[1:]],
                 parts.targets)  # fmt: skip
    context = Context(transcriber)
    context.class_names = ("falling", "rising", "steady " * 9)
    parameters = {**method.spec.defaults, "least_steps": 1, "epochs": 1}
    fitted = method.fit(parameters, long, None, context)
    assert fitted.facts() == {"training_sounds_cut": 1, "training_transcripts_cut": 2}
    fitted.transcribe(long.inputs)
    assert fitted.facts()["sounds_cut"] == 1
    fitted.transcribe(parts.inputs)
    assert fitted.facts()["sounds_cut"] == 0
    assert isinstance(fitted.facts()["transcripts_cut"], int)


@pytest.mark.parametrize("what", ["decoder", "bias", "norm"])
def test_parts_that_may_change(transcriber, what):
    method = registry()["finetune-transcribe"]
    parameters = {**method.spec.defaults, "least_steps": 2, "epochs": 1, "trainable": what}
    fitted = method.fit(parameters, split(0, 2), None, Context(transcriber))
    whole = sum(p.numel() for p in transcriber.network.parameters())
    assert 0 < fitted.size().trained < whole


@pytest.mark.parametrize(
    ("more", "mend"),
    [({"patience": 2}, "set epochs"), ({"head_learning_rate": 1e-3}, "set learning_rate")],
)
def test_what_would_change_nothing_is_refused(transcriber, more, mend):
    method = registry()["finetune-transcribe"]
    with pytest.raises(NotApplicableError, match=mend):
        method.fit({**method.spec.defaults, **more}, split(0, 1), None, Context(transcriber))


@pytest.fixture(scope="module")
def polyglot(tmp_path_factory):
    folder = save_speech(tmp_path_factory.mktemp("polyglot"), list(NAMES), ("de", "en", "fr"))
    name = f"file:{folder.name}"
    entry = BackboneEntry(name=name, modality=Modality.AUDIO)
    return build(entry, folder.parent, {name: digest_tree(folder)}).transcriber("cpu")


def begins(transcriber, sounds) -> list[list[str]]:
    """The tokens that the transcript of each sound begins with."""
    prepared = transcriber.prepare(sounds)
    states = transcriber._states(prepared, np.arange(len(sounds)), 1)
    tokenizer = transcriber.words.tokenizer
    return [tokenizer.convert_ids_to_tokens(row) for row in transcriber._begun(states)]


def test_a_language_is_given_or_heard(polyglot):
    sounds = split(0, 3).inputs
    start, then = "<|startoftranscript|>", ["<|transcribe|>", "<|notimestamps|>"]
    assert begins(polyglot.speaking("de"), sounds) == [[start, "<|de|>", *then]] * 9
    heard = begins(polyglot.speaking(""), sounds)
    assert {row[0] for row in heard} == {start}
    assert {row[1] for row in heard} <= {"<|de|>", "<|en|>", "<|fr|>"}
    assert all(row[2:] == then for row in heard)
    assert begins(polyglot, sounds[4:5]) == heard[4:5]  # each by itself


def test_the_language_decides_what_is_learned(polyglot):
    prepared, rows = polyglot.prepare(split(0, 1).inputs), np.arange(3)
    losses = {
        code: float(polyglot.speaking(code).fresh(1).loss(prepared, rows, rows, NAMES).detach())
        for code in ("de", "fr")
    }
    assert losses["de"] != losses["fr"]


@pytest.mark.parametrize("parts", [2, 4])
def test_losses_of_parts_sum_to_the_loss_of_the_batch(polyglot, parts):
    """Of transcripts of one word or many, and of clips that share the batch's longest window."""
    sounds = [*split(0, 1).inputs, Sound(np.tile(sweep("steady", 3), 4), RATE)]
    texts = ["falling", "rising", "falling rising steady", "steady steady"]
    model, batch = polyglot.speaking("de").fresh(None), np.arange(4)
    prepared = model.prepare(sounds)
    assert len(set(prepared.lengths)) == 2
    whole = model.loss(prepared, batch, batch, texts).item()
    divided = [model.loss(prepared, p, batch, texts).item() for p in np.array_split(batch, parts)]
    assert sum(divided) == pytest.approx(whole, rel=1e-5)


def test_a_language_that_the_model_does_not_have(transcriber, polyglot):
    for model, has in ((transcriber, "one language alone"), (polyglot, "de, en, fr")):
        for name in ("transcribe", "finetune-transcribe"):
            method = registry()[name]
            parameters = {**method.spec.defaults, "language": "tlh"}
            with pytest.raises(NotApplicableError, match=f"'tlh': the model has {has}"):
                method.fit(parameters, split(0, 1), None, Context(model))


def test_counts_survive_the_store():
    found = edits(["one two", "", "a b c d e"], ["one", "two three", "a"])
    items = from_bytes(to_bytes(items_of_edits(found)), "x")
    word, char = values_of(("word_accuracy", "char_accuracy"), items)
    assert word.mean() == pytest.approx(1 - found.word_errors.sum() / found.words.sum())
    assert char.mean() == pytest.approx(1 - found.char_errors.sum() / found.chars.sum())
