"""What of an encoder's forward pass is a compiled loop on a CPU, and for which models.

numba is imported when a loop is wanted: it takes a while, and an install may lack it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Norm: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""States `(t, d)` and what is added to them in; the norm of their sum out, in their place."""

Activation: TypeAlias = "Callable[[Tensor], Tensor]"
"""Numbers in and, in their place, out."""

REGISTER = 16
"""Numbers in a processor's widest register: heads and states are some times as wide."""


def attending(weight: Tensor, heads: int) -> Any:
    """`Attending` of `bench.backbones._cpu.attention` where it takes a model with this weight
    `(any, d)`; else None."""
    width, rest = divmod(weight.shape[1], heads)
    if rest or width % REGISTER or not _taken(weight):
        return None
    from bench.backbones._cpu.attention import Attending, body_for

    body_for(weight.dtype, width)  # now, and not in the first batch
    return Attending


def norming(weight: Tensor, bias: Tensor, eps: float) -> Norm | None:
    """A residual and its layer norm of this weight and bias `(d,)`; None where there is no loop."""
    if len(weight) % REGISTER or not _taken(weight):
        return None
    from bench.backbones._cpu.norm import Norming

    return Norming(weight, bias, eps)


def activating(weight: Tensor) -> Activation | None:
    """GELU of what a product with this weight `(d, any)` gives; None where the product has it.

    With AVX2 alone oneDNN's inside the product takes 12.5 ms for 4,032 by 1,536 numbers, and this
    2.7. With AVX-512 it stays inside: 2 to 4 % of the time on Zen 5, and nothing else was tried.
    """
    import torch

    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if len(weight) % REGISTER or wide or not _taken(weight):
        return None
    from bench.backbones._cpu.gelu import body_of, gelu

    body_of(half=weight.dtype == torch.bfloat16)  # now, and not in the first batch
    return gelu


def _taken(weight: Tensor) -> bool:
    import torch

    known = weight.device.type == "cpu" and weight.dtype in {torch.float32, torch.bfloat16}
    return known and not no_loop()


@lru_cache
def have_tiles() -> bool:
    """Whether the processor has tiles for bfloat16 (AMX), the system lets this process have them,
    and torch has not been told of a lesser processor (`ATEN_CPU_CAPABILITY`)."""
    import torch

    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:  # no documented names, but torch's own way to ask the system for them
        return torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx()  # noqa: SLF001
    except AttributeError:
        return False


@lru_cache
def no_loop() -> str:
    """Why there are none on this machine, which `bench doctor` says; empty where there are."""
    import torch

    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        return "the processor has neither AVX2 nor AVX-512"
    try:
        importlib.import_module("numba")
    except ImportError as error:  # none, or one that does not go with this numpy
        return f"numba cannot be loaded ({error})"
    return ""
