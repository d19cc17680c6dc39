"""Learning from reward alone: choose a class, be told whether it was right, choose better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    Size,
)
from bench.core.predictions import Predictions, softmax, spread
from bench.core.task import Input, Split
from bench.methods._threads import few_threads
from bench.methods.heads import (
    Arrays,
    Features,
    Scale,
    Scaling,
    learnable,
    part_of,
    scaling_parameter,
)

SPEC = MethodSpec(
    name="reinforce",
    version=1,
    summary="a contextual bandit on frozen features: policy gradient from right or wrong alone",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("feedbacks", 4000, "choices that are told right or wrong", low=1, high=10**8),
        Parameter("batch_size", 16, "choices a step", low=1, high=65_536),
        Parameter("learning_rate", 0.05, "of Adam, on features of length 1", low=1e-6, high=10.0),
        Parameter("entropy", 0.01, "weight of the policy's entropy: what keeps it curious",
                  low=0.0, high=10.0),
        scaling_parameter(Scaling.STANDARD),
    ),
    search_space=(
        {},
        {"learning_rate": 0.02},
        {"entropy": 0.05},
        {"learning_rate": 0.1},
        {"scaling": "rms", "learning_rate": 0.01},
    ),
    deterministic=False,
    reference="Williams 1992, doi:10.1007/BF00992696",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bandit:
    """What the policy meets: inputs come one after another, and each choice is answered with a
    reward of 1 or 0. The right class of a wrong choice is never told."""

    targets: NDArray[np.int64]

    def reward(self, items: NDArray[np.int64], actions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Whether `actions` `(b,)` are right for `items` `(b,)`."""
        return np.asarray(self.targets[items] == actions, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Policy:
    """A linear policy over the `m` classes there were to choose from."""

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    scale: Scale
    seen: NDArray[np.int64]
    context: Context
    told: dict[str, Scalar]

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        rows = softmax(self.scale(self.context.features(inputs)) @ self.weights.T + self.biases)
        if not np.isfinite(rows).all():
            raise DivergedError("the policy says NaN or Inf")
        return spread(rows, self.seen, self.context.classes)

    def size(self) -> Size:
        shipped = sum(array.nbytes for array in self.state().values())
        return Size(self.weights.size + self.biases.size, shipped)

    def facts(self) -> dict[str, Scalar]:
        return self.told

    def state(self) -> dict[str, NDArray[Any]]:
        """The policy and the scaling of its features."""
        scale = {f"scale.{name}": array for name, array in self.scale.arrays.items()}
        return {"weights": self.weights, "biases": self.biases, "seen": self.seen, **scale}


@dataclass(frozen=True, slots=True)
class Reinforce:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self,
        state: Arrays,
        parameters: Parameters,  # noqa: ARG002 -- all that they decided is in the arrays
        context: Context,
    ) -> Fitted:
        scale = Scale(part_of(state, "scale."))
        return Policy(state["weights"], state["biases"], scale, state["seen"], context, {})

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- the number of feedbacks is a parameter
        context: Context,
    ) -> Fitted:
        data = learnable(train, context, parameters["scaling"])
        bandit = Bandit(data.targets)
        width = data.features.shape[1]
        # Adam moves every weight by its rate: undivided, one step would decide among 1000 features
        length = np.float32(np.sqrt(width))
        with few_threads(int(parameters["batch_size"]) * width * len(data.seen)):
            policy, mean = improve(
                parameters, data.features / length, bandit, len(data.seen), context
            )
        return Policy(
            policy.weight.detach().double().cpu().numpy() / length,
            policy.bias.detach().double().cpu().numpy(),
            data.scale,
            data.seen,
            context,
            {"feedbacks": int(parameters["feedbacks"]), "mean_reward": mean},
        )


def improve(
    parameters: Parameters, features: Features, bandit: Bandit, classes: int, context: Context
) -> tuple[Any, float]:
    """Policy gradient: phi <- phi + eta (r - b) d log pi(a | x) / d phi, b the running mean reward
    of the batches before; return the policy and the mean reward on the way.

    Raises:
        DivergedError: if the policy holds NaN or Inf.
    """
    import torch

    random = torch.Generator().manual_seed(context.seed)
    order = np.random.default_rng(context.seed)
    x = torch.from_numpy(np.ascontiguousarray(features)).to(context.device)
    policy = torch.nn.Linear(features.shape[1], classes)
    torch.nn.init.zeros_(policy.weight)
    torch.nn.init.zeros_(policy.bias)
    policy.to(context.device)
    optimizer = torch.optim.Adam(policy.parameters(), lr=float(parameters["learning_rate"]))
    size, feedbacks = int(parameters["batch_size"]), int(parameters["feedbacks"])
    steps = -(-feedbacks // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    baseline, total, given = 0.0, 0.0, 0
    stream = np.concatenate([order.permutation(len(x)) for _ in range(-(-feedbacks // len(x)))])[
        :feedbacks
    ]
    for start in range(0, feedbacks, size):
        items = stream[start : start + size]
        log_chances = policy(x[items]).log_softmax(dim=1)
        chances = log_chances.exp()
        actions = torch.multinomial(chances.detach().cpu(), 1, generator=random)
        rewards = bandit.reward(items, actions[:, 0].numpy())
        advantage = torch.from_numpy(rewards - np.float32(baseline)).to(context.device)
        chosen = log_chances.gather(1, actions.to(context.device))[:, 0]
        curious = -(chances * log_chances).sum(dim=1)
        loss = -(advantage * chosen + float(parameters["entropy"]) * curious).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        total, given = total + float(rewards.sum()), given + len(items)
        baseline += (float(rewards.mean()) - baseline) * max(0.05, len(items) / given)
    if not all(torch.isfinite(p).all() for p in policy.parameters()):
        raise DivergedError("the policy holds NaN or Inf: a lower learning_rate may do")
    return policy, total / feedbacks


METHODS: tuple[Method, ...] = (Reinforce(),)
