"""Learning from reward alone with a backbone that learns along: policy gradient into adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Trainable
from bench.core.errors import DivergedError
from bench.core.method import (
    Context,
    Fitted,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Scalar,
)
from bench.core.task import Split
from bench.methods import _trained as trained
from bench.methods import _training as training
from bench.methods._layers import groups
from bench.methods.lora import Adapted, adapted, merged
from bench.methods.reinforce import Bandit

SPEC = MethodSpec(
    name="reinforce-lora",
    version=1,
    summary="a contextual bandit with adapters: policy gradient from right or wrong alone",
    needs=Needs.MODULE,
    parameters=(
        Parameter("feedbacks", 4000, "choices that are told right or wrong", low=1, high=10**8),
        Parameter("batch_size", 16, "choices a step", low=1, high=65_536),
        Parameter("learning_rate", 1e-3, "of the adapters", low=0.0, high=1.0),
        Parameter("head_learning_rate", 0.05, "of the policy's last layer, on features of length 1",
                  low=0.0, high=10.0),
        Parameter("entropy", 0.01, "weight of the policy's entropy: what keeps it curious",
                  low=0.0, high=10.0),
        Parameter("rank", 8, "of the adapters", low=1, high=1024),
        Parameter("alpha", 16, "adapters are scaled by alpha / rank", low=1, high=4096),
        Parameter("accumulate", 1, "parts a batch is computed in, to save memory", low=1),
        Parameter("warmup", 0.1, "share of the steps in which rates rise", low=0.0, high=1.0),
        Parameter("weight_decay", 0.01, "of AdamW", low=0.0, high=10.0),
    ),
    search_space=(
        {},
        {"learning_rate": 3e-4},
        {"entropy": 0.05},
        {"head_learning_rate": 0.02},
        {"rank": 16, "alpha": 32},
    ),
    deterministic=False,
    reference="Williams 1992, doi:10.1007/BF00992696; Hu et al. 2022, arXiv:2106.09685",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReinforceLora:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def passes(self, parameters: Parameters, items: int) -> float:  # noqa: ARG002 -- feedbacks decide
        return float(parameters["feedbacks"])

    def at_once(self, parameters: Parameters) -> int:
        return training.at_once(parameters)

    def restore(
        self, state: Mapping[str, NDArray[Any]], parameters: Parameters, context: Context
    ) -> Fitted:
        trainable = context.trainable()
        adapted(trainable, _adapters(parameters), context.seed)
        return merged(trainable, trained.restored(trainable, state, context))

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- the number of feedbacks is a parameter
        context: Context,
    ) -> Fitted:
        trainable = context.trainable()
        width = trained.width_of(trainable, train.inputs)
        adapted(trainable, _adapters(parameters), context.seed)
        return improve(trainable, width, parameters, train, context)


def improve(
    trainable: Trainable, width: int, parameters: Parameters, train: Split, context: Context
) -> Adapted:
    """Policy gradient as in `bench.methods.reinforce`, through the pooled features into adapters.

    Inputs come in passes over all of them, as many whole ones as there are feedbacks for; with
    fewer feedbacks than inputs, each of some is met once.

    Raises:
        DivergedError: if the loss is NaN or Inf.
    """
    import torch

    feedbacks = int(parameters["feedbacks"])
    if feedbacks < len(train):
        met = np.random.default_rng(context.seed).permutation(len(train))[:feedbacks]
        seen_all = np.unique(train.targets)
        data = trained.numbered(trainable, train.take(np.sort(met)))
        targets = np.searchsorted(seen_all, data.seen[data.targets])  # all classes can be chosen
    else:
        data = trained.numbered(trainable, train)
        seen_all, targets = data.seen, data.targets
    bandit = Bandit(targets)
    frozen = trained.frozen_features(trainable, train.inputs, context, normalize=False)
    center, spread = frozen.mean(axis=0), np.maximum(frozen.std(axis=0), 1e-6)
    spread *= np.float32(np.sqrt(width))  # as `reinforce` has its features: of length 1
    middle, scale = (torch.from_numpy(a).to(context.device) for a in (center, spread))
    head = trained.linear(width, len(seen_all), context.seed, context.device)
    torch.nn.init.zeros_(head.weight)
    random = torch.Generator().manual_seed(context.seed)
    curious = float(parameters["entropy"])
    running = _Running()

    def loss(items: training.Items) -> training.Tensor:
        pooled = trainable.network(trainable.collate(data.prepared, items))
        log_chances = head((pooled - middle) / scale).float().log_softmax(dim=1)
        chances = log_chances.detach().exp().cpu()
        if not torch.isfinite(chances).all():
            raise DivergedError("the policy says NaN or Inf: a lower learning_rate may do")
        actions = torch.multinomial(chances, 1, generator=random)
        rewards = bandit.reward(items, actions[:, 0].numpy())
        advantage = torch.from_numpy(rewards - running.baseline).to(context.device)
        running.note(rewards)
        chosen = log_chances.gather(1, actions.to(context.device))[:, 0]
        entropy = -(log_chances.exp() * log_chances).sum(dim=1)
        return -(advantage * chosen + curious * entropy).mean()

    epochs = max(1, feedbacks // len(targets))
    rates = float(parameters["learning_rate"]), float(parameters["head_learning_rate"])
    training.descend(
        torch.nn.ModuleList([trainable.network, head]),
        groups(trainable.network.encoder, head, rates, 1.0, float(parameters["weight_decay"])),
        training.of_means(loss),
        data.prepared.lengths,
        training.Recipe(
            epochs=epochs,
            batch_size=int(parameters["batch_size"]),
            accumulate=int(parameters["accumulate"]),
            warmup=float(parameters["warmup"]),
            patience=0,
        ),
        context,
    )
    with torch.no_grad():  # the fixed scaling goes into the layer behind it
        head.weight /= scale
        head.bias -= head.weight @ middle
    told: dict[str, Scalar] = {
        "feedbacks": epochs * len(targets),
        "mean_reward": running.mean,
    }
    return merged(trainable, trained.finished(trainable, head, seen_all, context, told))


class _Running:
    """Rewards so far; a training that was killed and goes on begins to count again."""

    def __init__(self) -> None:
        self.baseline = np.float32(0.0)
        self._total, self._given = 0.0, 0

    @property
    def mean(self) -> float:
        return self._total / max(self._given, 1)

    def note(self, rewards: NDArray[np.float32]) -> None:
        """The baseline is the mean of all, later of about the last twenty batches."""
        self._total += float(rewards.sum())
        self._given += len(rewards)
        share = max(0.05, len(rewards) / self._given)
        self.baseline += np.float32(share) * (rewards.mean() - self.baseline)


def _adapters(parameters: Parameters) -> dict[str, Any]:
    """What `bench.methods.lora.adapted` takes; without dropout, which would only blur rewards."""
    fixed = {"kind": "lora", "targets": "all", "adapter_dropout": 0.0}
    return {**fixed, "rank": parameters["rank"], "alpha": parameters["alpha"]}


METHODS: tuple[Method, ...] = (ReinforceLora(),)
