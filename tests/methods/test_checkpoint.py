"""A killed training goes on from where it stood, and ends as one that was never killed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.methods import _checkpoint, _training
from bench.methods._layers import groups
from bench.methods._training import Recipe

LENGTHS = np.arange(1, 41)


class Killed(BaseException):
    """What a test is killed by: nothing catches it."""


class Context:
    """The part of a context that the loop looks at."""

    device, seed = "cpu", 3

    def __init__(
        self, path: Path | None, dies_after: int = 10**9, mixed: str | None = None
    ) -> None:
        self.path, self.dies_after, self.seen, self.mixed = path, dies_after, [], mixed

    def scratch(self):
        return self.path

    def progress(self, what, done, total):
        del what, total
        self.seen.append(done)
        if done > self.dies_after:
            raise Killed


def train(context, patience=0, epochs=6):
    """A small network with dropout, on a problem of its own; its weights at the end."""
    torch.manual_seed(0)
    x, y = torch.randn(40, 8), torch.arange(40) % 3
    body = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.3), torch.nn.Tanh())
    head = torch.nn.Linear(16, 3)
    model = torch.nn.ModuleList([body, head])
    scores = iter([0.1, 0.5, 0.3, 0.6, 0.2, 0.2])

    def loss(items):
        return 8 * torch.nn.functional.cross_entropy(head(body(x[items])), y[items])

    epochs = _training.descend(
        model,
        groups(body, head, (1e-2, 1e-2), 1.0, 0.01),
        _training.of_means(loss),
        LENGTHS,
        Recipe(epochs=epochs, batch_size=8, accumulate=1, warmup=0.1, patience=patience),
        context,
        (lambda: next(scores)) if patience else None,
    )
    return epochs, [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_killed_training_ends_as_one_that_was_not(tmp_path, monkeypatch, after):
    monkeypatch.setattr(_checkpoint, "EVERY", 0.0)
    _, whole = train(Context(None))
    path = tmp_path / "deep" / "training-1.safetensors"
    with pytest.raises(Killed):
        train(Context(path, dies_after=after))
    again = Context(path)
    epochs, resumed = train(again)
    assert again.seen[0] == after + 1, "what was noted is not done again"
    assert epochs == 6
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))


@pytest.mark.parametrize("after", [1, 3])
def test_the_scale_of_gradients_goes_on(tmp_path, monkeypatch, after):
    """From far too large a scale, and quick to grow: steps that overflow are skipped."""
    monkeypatch.setattr(_checkpoint, "EVERY", 0.0)
    scaler = partial(torch.amp.GradScaler, init_scale=2.0**127, growth_interval=3)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    _, whole = train(Context(None, mixed="fp16"))
    path = tmp_path / "training-1.safetensors"
    with pytest.raises(Killed):
        train(Context(path, dies_after=after, mixed="fp16"))
    _, resumed = train(Context(path, mixed="fp16"))
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    _, never_scaled = train(Context(None))
    assert not all(torch.equal(a, b) for a, b in zip(whole, never_scaled, strict=True))


def test_another_training_or_a_damaged_file_starts_from_the_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoint, "EVERY", 0.0)
    path = tmp_path / "training-1.safetensors"
    train(Context(path), epochs=3)
    other = Context(path)
    train(other)  # of six epochs
    assert other.seen[0] == 1
    path.write_bytes(path.read_bytes()[:100])
    damaged = Context(path)
    train(damaged)
    assert damaged.seen[0] == 1


def test_a_short_training_leaves_nothing(tmp_path):
    train(Context(tmp_path / "training-1.safetensors"))
    assert list(tmp_path.iterdir()) == []


def test_the_best_state_is_the_one_that_stays():
    """Scores .1 .5 .3 .6 .2 .2: with a patience of two it ends after six, as it was after four."""
    epochs, last = train(Context(None), patience=2)
    assert epochs == 6
    told = []

    class Looking(Context):
        def progress(self, what, done, total):
            super().progress(what, done, total)
            told.append(done)

    train(Looking(None), patience=2)
    assert told == [1, 2, 3, 4, 5, 6]
    _, all_six = train(Context(None))
    assert not all(torch.equal(a, b) for a, b in zip(last, all_six, strict=True))
