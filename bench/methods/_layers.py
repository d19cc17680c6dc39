"""The parts of a network that is to be trained, told apart without knowing its architecture."""

from __future__ import annotations

from typing import Any

from bench.core.errors import NotApplicableError

Module = Any  # torch.nn.Module: torch is imported where it is used

SCALES = ".ia3_l."
"""In the names of IA3's scales (peft), which are columns or rows, not vectors."""


def blocks(encoder: Module) -> tuple[str, list[Module]]:
    """The name of the longest list of blocks in a network, and the blocks from input to output.

    Raises:
        NotApplicableError: if there is none.
    """
    import torch

    lists = [
        (name, list(module))
        for name, module in encoder.named_modules()
        if isinstance(module, torch.nn.ModuleList | torch.nn.Sequential) and len(module) > 1
    ]
    if not lists:
        raise NotApplicableError("the backbone has no list of layers to tell apart")
    return max(lists, key=lambda found: _weights(found[1]))


def _weights(modules: list[Module]) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def depths(encoder: Module) -> dict[str, int]:
    """How deep each parameter lies: 0 before the blocks, then the number of its block from 1, and
    one more than the blocks after them."""
    name, found = blocks(encoder)
    prefix, seen = f"{name}.", False
    told: dict[str, int] = {}
    for parameter, _ in encoder.named_parameters():
        if parameter.startswith(prefix):
            seen = True
            told[parameter] = int(parameter[len(prefix) :].split(".")[0]) + 1
        else:
            told[parameter] = len(found) + 1 if seen else 0
    return told


def train_only(encoder: Module, what: str) -> None:
    """Let only a part of the weights change.

    `what`: `all`; `last-N`, the last N blocks and all that comes after, never what comes before the
    first; `bias`, the biases (BitFit: Ben Zaken et al. 2022, arXiv:2106.10199); `norm`, the
    normalisation layers (Frankle et al. 2021, arXiv:2003.00152); `head`, none.

    Raises:
        NotApplicableError: if the network has no such part.
    """
    norms = {
        f"{name}.{part}"
        for name, module in encoder.named_modules()
        if "norm" in type(module).__name__.lower()
        for part, _ in module.named_parameters(recurse=False)
    }
    deep: dict[str, int] = {}
    least = 0
    if what.startswith("last-"):
        deep = depths(encoder)
        least = max(1, len(blocks(encoder)[1]) + 1 - int(what.removeprefix("last-")))
    count = 0
    for name, parameter in encoder.named_parameters():
        chosen = {
            "all": True,
            "bias": name.endswith("bias"),
            "norm": name in norms,
            "head": False,
        }.get(what, bool(deep) and deep[name] >= least)
        parameter.requires_grad_(chosen and parameter.is_floating_point())
        count += bool(parameter.requires_grad)
    if not count and what != "head":
        raise NotApplicableError(f"the backbone has no weights of the part {what!r}")


def groups(
    encoder: Module, head: Module, rates: tuple[float, float], layer_decay: float, decay: float
) -> list[dict[str, Any]]:
    """Parameters with the rates they learn at, for an optimiser.

    `rates` are those of what comes after the blocks and of the head; each block learns
    `layer_decay` times as fast as what is above it (ULMFiT: Howard & Ruder 2018,
    arXiv:1801.06146). Biases and what else is one-dimensional has no weight decay, nor do scales:
    they begin at 1, and 0 would cut off what they scale.
    """
    deep = depths(encoder) if layer_decay != 1.0 else {}
    top = len(blocks(encoder)[1]) + 1 if deep else 0
    found: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            rate = rates[0] * layer_decay ** (top - deep.get(name, top))
            decays = parameter.ndim > 1 and SCALES not in name
            found.setdefault((rate, decay if decays else 0.0), []).append(parameter)
    for parameter in head.parameters():
        key = (rates[1], decay if parameter.ndim > 1 else 0.0)
        found.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": weight}
        for (rate, weight), parameters in found.items()
    ]
