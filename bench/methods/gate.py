"""A learned gate over what several cells see: how much each counts is told by the item itself."""

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
    Member,
    Method,
    MethodSpec,
    Needs,
    Parameter,
    Parameters,
    Size,
)
from bench.core.predictions import Predictions, softmax, spread
from bench.core.task import Input, Split
from bench.methods._threads import few_threads
from bench.methods.heads import Scale, Scaling, scaler

SPEC = MethodSpec(
    name="gate",
    version=1,
    summary="frozen features of other cells, projected, and mixed by a gate that sees them all",
    needs=Needs.MEMBERS,
    members=(2, 16),
    parameters=(
        Parameter("width", 64, "of what each member's features are projected to", low=1, high=4096),
        Parameter("steps", 300, "of AdamW, over all items at once", low=1, high=100_000),
        Parameter("learning_rate", 0.01, "of AdamW", low=0.0, high=1.0),
        Parameter("weight_decay", 0.1, "of AdamW", low=0.0, high=10.0),
        Parameter("blind", 0.2, "share of items for which a member is hidden in a step, so that one"
                  " that is missing later is no surprise", low=0.0, high=0.9),
    ),
    search_space=({}, {"weight_decay": 1.0}, {"blind": 0.0}, {"width": 16}),
    deterministic=False,
    reference="Arevalo et al. 2017, Gated Multimodal Units, arXiv:1702.01992; modality dropout:"
    " Neverova et al. 2016, arXiv:1501.00102",
)  # fmt: skip

Tensor = Any


def network(widths: Sequence[int], width: int, classes: int) -> Any:
    """tanh projections `(n, m, width)`, weights over the members that are there, and a head."""
    import torch

    class Gate(torch.nn.Module):
        """See `SPEC`."""

        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.ModuleList(torch.nn.Linear(w, width) for w in widths)
            self.weigh = torch.nn.Linear(sum(widths), len(widths))
            self.head = torch.nn.Linear(width, classes)

        def forward(self, parts: Sequence[Tensor], there: Tensor) -> Tensor:
            """Features of each member `(n, width of it)`, and which are there `(n, m)`."""
            shown = [x * there[:, i, None] for i, x in enumerate(parts)]
            made = torch.stack(
                [torch.tanh(p(x)) for p, x in zip(self.project, shown, strict=True)], dim=1
            )
            scores = self.weigh(torch.cat(shown, dim=1)).masked_fill(there == 0, float("-inf"))
            return self.head((torch.softmax(scores, dim=1)[:, :, None] * made).sum(dim=1))

    return Gate()


@dataclass(frozen=True, slots=True)
class Gated:
    """A trained gate."""

    members: Sequence[Member]
    scales: Sequence[Scale]
    model: Any
    seen: NDArray[np.int64]
    classes: int

    def predict(self, inputs: Sequence[Input]) -> Predictions:
        import torch

        with torch.inference_mode():
            scores = self.model(*tensors(self.members, self.scales, inputs)).numpy()
        return spread(softmax(scores), self.seen, self.classes)

    def size(self) -> Size:
        count = sum(p.numel() for p in self.model.parameters())
        return Size(count, 4 * count + sum(s.arrays["factor"].nbytes for s in self.scales))


def tensors(
    members: Sequence[Member], scales: Sequence[Scale], inputs: Sequence[Input]
) -> tuple[list[Tensor], Tensor]:
    """Scaled features of each member, zeros where it sees nothing, and which are there `(n, m)`.

    Where nobody sees anything all count as there: the gate then tells what it knows of zeros.
    """
    import torch

    pairs = zip(members, scales, strict=True)
    parts = [np.nan_to_num(scale(member.features(inputs))) for member, scale in pairs]
    there = np.stack([member.present(inputs) for member in members], axis=1)
    there[~there.any(axis=1)] = True
    ready = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in parts]
    return ready, torch.from_numpy(there.astype(np.float32))


@dataclass(frozen=True, slots=True)
class GateMethod:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- nothing is stopped early
        context: Context,
    ) -> Fitted:
        import torch

        members = context.members
        scales = [scaler(Scaling.RMS, member.features(train.inputs)) for member in members]
        parts, there = tensors(members, scales, train.inputs)
        seen, targets = np.unique(train.targets, return_inverse=True)
        wanted = torch.from_numpy(targets.astype(np.int64))
        torch.manual_seed(context.seed)
        model = network([p.shape[1] for p in parts], int(parameters["width"]), len(seen))
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=float(parameters["learning_rate"]),
            weight_decay=float(parameters["weight_decay"]),
        )
        steps, blind = int(parameters["steps"]), float(parameters["blind"])
        with few_threads(sum(p.numel() for p in parts) * int(parameters["width"])):
            for step in range(steps):
                loss: Tensor = torch.nn.functional.cross_entropy(
                    model(parts, hidden(there, blind)), wanted
                )
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                if step % 50 == 0:
                    context.progress("training the gate", step, steps)
        if not torch.isfinite(loss):
            raise DivergedError("the loss is NaN or Inf: a lower learning_rate may do")
        return Gated(members, scales, model.eval(), seen, context.classes)


def hidden(there: Tensor, share: float) -> Tensor:
    """`there` `(n, m)` with one member hidden for a share of the items, where another remains."""
    import torch

    n, m = there.shape
    rows = torch.rand(n) < share
    hide = torch.nn.functional.one_hot(torch.randint(m, (n,)), m).to(there.dtype)
    less = there * (1 - hide * rows[:, None])
    return torch.where(less.sum(dim=1, keepdim=True) > 0, less, there)


METHODS: tuple[Method, ...] = (GateMethod(),)
