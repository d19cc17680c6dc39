"""Linear layers by oneDNN's product on a CPU in float32, forward and backward.

torch gives float32 products on a CPU to MKL. On two EPYC cores (Zen 5) that reached 190 to 216
GFLOP/s at the shapes of MiniLM and BERT, forward and backward, where oneDNN, which is part of
torch, too, reached 390 to 490 in the forward pass and for inputs' gradients, and 330 to 440 for
weights'.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Module = Any  # torch.nn.Module: torch is imported where it is used


def speed_up(model: Module) -> Module:
    """Have the linear layers of a model multiply so from now on; the model itself.

    Names, weights and what is saved stay what they were, and a copy has it, too. On a GPU, in half
    precision, under autocast and while torch.compile traces, layers do what they always do.
    """
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return model
    made = _layer()
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = made
    return model


@lru_cache
def _layer() -> Any:
    import torch
    from torch.nn.functional import linear

    multiply = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 -- what torch.compile takes here

    def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        found: Tensor = multiply(x, weight, bias, "none", [], "")
        return found

    class Product(torch.autograd.Function):
        """`x W' + b` of `(..., k)`, `(n, k)` and `(n,)`, as rows, and its gradients.

        Of more dimensions oneDNN gives a view, and what a function of one's own gives as a view may
        not be written into, as wav2vec 2.0 does where it masks spans in training.
        """

        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            ctx.save_for_backward(x, weight)
            return product(x.reshape(-1, x.shape[-1]), weight, bias)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
            x, weight = ctx.saved_tensors
            of_x, of_weight, of_bias = ctx.needs_input_grad
            rows = grads[0]
            return (
                product(rows, weight.t()).view(x.shape) if of_x else None,
                product(rows.t(), x.reshape(-1, x.shape[-1]).t()) if of_weight else None,
                rows.sum(dim=0) if of_bias else None,
            )

    class Linear(torch.nn.Linear):
        """See `speed_up`."""

        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 -- torch's name
            usable = (
                input.device.type == "cpu"
                and input.dtype == self.weight.dtype == torch.float32
                and not torch.is_autocast_enabled("cpu")
                and not torch.compiler.is_compiling()
            )
            if not usable:
                return linear(input, self.weight, self.bias)
            if not torch.is_grad_enabled():
                return product(input, self.weight, self.bias)
            rows: Tensor = Product.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return rows.view(*input.shape[:-1], rows.shape[-1])

    return Linear
