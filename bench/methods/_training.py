"""What the methods that train weights share: one loop, and its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DivergedError
from bench.core.method import Context, Parameter, Parameters
from bench.methods._checkpoint import Checkpoint, Standing

Module = Any  # torch.nn.Module: torch is imported where it is used
Tensor = Any
Items = NDArray[np.int64]

CLIP = 1.0
"""The norm to which gradients are clipped, as transformers' Trainer does."""
POOL = 16
"""Batches that are filled together, from items sorted by length: little padding, random enough."""


def parameters(
    *, learning_rate: float, head_learning_rate: float, epochs: int = 3, batch_size: int = 16
) -> tuple[Parameter, ...]:
    """The settings of the loop, the same words in every method."""
    return (
        Parameter("learning_rate", learning_rate, "of the backbone's weights", low=0.0, high=1.0),
        Parameter("head_learning_rate", head_learning_rate, "of the head", low=0.0, high=10.0),
        Parameter("epochs", epochs, "passes over the training items", low=1, high=10_000),
        Parameter("least_steps", 200, "more passes where there would be fewer steps", low=1),
        Parameter("batch_size", batch_size, "items a step", low=1, high=65_536),
        Parameter("accumulate", 1, "parts a batch is computed in, to save memory", low=1),
        Parameter("warmup", 0.1, "share of the steps in which rates rise", low=0.0, high=1.0),
        Parameter("weight_decay", 0.01, "of AdamW", low=0.0, high=10.0),
        Parameter(
            "patience", 0, "epochs after warm-up without a better validation score; 0: all", low=0
        ),
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and in what steps to descend."""

    epochs: int
    batch_size: int
    accumulate: int
    warmup: float
    patience: int

    @classmethod
    def of(cls, given: Parameters, items: int) -> Recipe:
        """From a method's parameters; few items get more epochs, up to `least_steps` steps."""
        a_pass = max(1, -(-items // int(given["batch_size"])))
        return cls(
            epochs=max(int(given["epochs"]), -(-int(given["least_steps"]) // a_pass)),
            batch_size=int(given["batch_size"]),
            accumulate=int(given["accumulate"]),
            warmup=float(given["warmup"]),
            patience=int(given["patience"]),
        )


def passes(given: Parameters, items: int) -> float:
    """How often an input is computed in the loop: `bench.core.method.Trains`."""
    return float(Recipe.of(given, items).epochs * items)


def at_once(given: Parameters) -> int:
    """Items of a part of a batch: `bench.core.method.Trains`."""
    return -(-int(given["batch_size"]) // int(given["accumulate"]))


Loss = Callable[[Items, Items], Tensor]
"""What some items, a part of a batch, add to the loss of the batch, differentiable: of whatever
parts, they sum to the loss of the whole."""
Judge = Callable[[], float]
"""How good the network is now, on items it does not learn from: more is better."""


def of_means(mean: Callable[[Items], Tensor]) -> Loss:
    """The loss of a batch that is the mean over its items: parts count by how many they have."""
    return lambda part, batch: mean(part) * (len(part) / len(batch))


def descend(
    module: Module,
    optimised: list[dict[str, Any]],
    loss: Loss,
    lengths: NDArray[np.int64],
    recipe: Recipe,
    context: Context,
    judge: Judge | None = None,
) -> int:
    """Train `module` by AdamW, rates rising and then falling to zero; return the epochs taken.

    Args:
        module: what is put into training mode and holds what `optimised` names.
        optimised: parameters with rates (`bench.methods._layers.groups`).
        loss: of a part of a batch, and of which, by positions in `lengths` `(n,)`.
        lengths: of items; those of like length share a batch.
        recipe: how long, in what steps.
        context: seed, device, precision, and where progress is told.
        judge: asked after each epoch where `recipe.patience` is above 0; the best state is kept,
            and epochs without a better one are counted once the rates no longer rise.

    Raises:
        DivergedError: if the loss of an epoch is NaN or Inf.
    """
    return _Descent(module, optimised, loss, lengths, recipe, context)(judge)


class _Descent:
    """One training: its optimiser, where it stands, and the best state so far."""

    def __init__(
        self,
        module: Module,
        optimised: list[dict[str, Any]],
        loss: Loss,
        lengths: NDArray[np.int64],
        recipe: Recipe,
        context: Context,
    ) -> None:
        import torch

        torch.manual_seed(context.seed)  # dropout's
        self.module, self.loss, self.lengths = module, loss, lengths
        self.recipe, self.context = recipe, context
        self.optimizer = torch.optim.AdamW(optimised, fused=True)  # an eighth of the time on a CPU
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.scaler = torch.amp.GradScaler(context.device, enabled=context.mixed == "fp16")
        self.weights = [p for group in optimised for p in group["params"]]
        self.steps = recipe.epochs * -(-len(lengths) // recipe.batch_size)
        self.rising = max(1, round(recipe.warmup * self.steps))
        self.kept: list[Tensor] | None = None
        shapes = [list(p.shape) for p in self.weights]
        of = [asdict(recipe), self.rates, context.seed, lengths.tolist(), shapes]
        self.checkpoint = Checkpoint(context.scratch(), of)

    def __call__(self, judge: Judge | None) -> int:
        import torch

        standing, self.kept = self.checkpoint.take_up(self.weights, self.optimizer, self.scaler)
        random = np.random.default_rng(self.context.seed)
        for _ in range(standing.epoch):  # what is done leaves the order of the rest as it was
            list(batches(self.lengths, self.recipe.batch_size, random))
        while standing.epoch < self.recipe.epochs:
            training_mode(self.module)
            step, total = self._epoch(standing.step, random)
            if not torch.isfinite(total):
                raise DivergedError("the loss is NaN or Inf: a lower learning_rate may do")
            standing = self._judged(replace(standing, epoch=standing.epoch + 1, step=step), judge)
            self.context.progress("training", standing.epoch, self.recipe.epochs)
            if self.recipe.patience and standing.since >= self.recipe.patience:
                break
            self.checkpoint.note(standing, self.weights, self.optimizer, self.scaler, self.kept)
        if self.kept is not None:
            with torch.no_grad():
                for parameter, value in zip(self.weights, self.kept, strict=True):
                    parameter.copy_(value)
        self.module.eval()
        return standing.epoch

    def _epoch(self, step: int, random: np.random.Generator) -> tuple[int, Tensor]:
        """Every item once; the number of the next step, and the sum of the losses."""
        import torch

        total = torch.zeros((), device=self.context.device)
        for batch in batches(self.lengths, self.recipe.batch_size, random):
            share = self._share(step)
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * share
            for part in np.array_split(batch, min(self.recipe.accumulate, len(batch))):
                with precision(self.context):
                    value = self.loss(part, batch)
                scaled: Tensor = self.scaler.scale(value)
                scaled.backward()
                total += value.detach()
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.weights, CLIP)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad(set_to_none=True)
            step += 1
        return step, total

    def _share(self, step: int) -> float:
        """Of the full rates: rising to 1, then falling towards 0, both in a line."""
        if step < self.rising:
            return (step + 1) / self.rising
        return (self.steps - step) / (self.steps - self.rising + 1)

    def _judged(self, standing: Standing, judge: Judge | None) -> Standing:
        """With the score of the network as it is, and its state kept where it is the best."""
        if judge is None or not self.recipe.patience:
            return standing
        self.module.eval()
        score = judge()
        if not score > standing.best:
            late = standing.step > self.rising  # a small rate need not show anything yet
            return replace(standing, since=standing.since + int(late))
        self.kept = [p.detach().clone() for p in self.weights]
        return replace(standing, best=score, since=0)


def training_mode(module: Module) -> None:
    """Dropout on; the statistics of batch norms stay those of pretraining."""
    import torch

    module.train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            layer.eval()


def precision(context: Context) -> AbstractContextManager[Any]:
    """What a forward pass in training computes in."""
    import torch

    if context.mixed is None or (context.mixed == "fp16" and context.device == "cpu"):
        return nullcontext()
    kind = torch.bfloat16 if context.mixed == "bf16" else torch.float16
    return torch.autocast(context.device, dtype=kind)


def batches(lengths: NDArray[np.int64], size: int, random: np.random.Generator) -> Iterator[Items]:
    """Every item once, in batches of at most `size`, items of like length together."""
    order = random.permutation(len(lengths))
    found: list[Items] = []
    for start in range(0, len(order), POOL * size):
        pool = order[start : start + POOL * size]
        pool = pool[np.argsort(-lengths[pool], kind="stable")]
        found += [pool[i : i + size] for i in range(0, len(pool), size)]
    for at in random.permutation(len(found)):
        yield found[at]
