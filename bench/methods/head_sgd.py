"""A head by gradient descent: phi <- phi - eta dL/dphi, on frozen features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.core.errors import DivergedError
from bench.core.method import Context, Fitted, Method, MethodSpec, Needs, Parameter, Parameters
from bench.core.task import Split
from bench.methods._threads import few_threads
from bench.methods.heads import (
    Arrays,
    Features,
    Head,
    Probabilities,
    Scaling,
    constant,
    learnable,
    restored,
    scaling_parameter,
)

SPEC = MethodSpec(
    name="head-sgd",
    version=1,
    summary="frozen features + a linear or one-hidden-layer head by gradient descent",
    needs=Needs.FEATURES,
    parameters=(
        Parameter("learning_rate", 0.1, "eta, with a cosine to 0", low=1e-6, high=100.0),
        Parameter("hidden", 0, "units of the hidden layer; 0 is a linear head", low=0, high=65536),
        Parameter("epochs", 60, "passes over the training items", low=1),
        Parameter("batch_size", 32, "items a step", low=1),
        Parameter("momentum", 0.9, "Nesterov's", low=0.0, high=0.999),
        Parameter("weight_decay", 1e-3, "L2", low=0.0),
        scaling_parameter(Scaling.RMS),
    ),
    search_space=(
        {},
        {"weight_decay": 1e-2},
        {"hidden": 256},
        {"learning_rate": 0.01, "scaling": "standard", "weight_decay": 1e-2},
        {"learning_rate": 0.02},
        {"learning_rate": 0.5},
    ),
    deterministic=False,
    reference="Robbins & Monro 1951, doi:10.1214/aoms/1177729586",
)


@dataclass(frozen=True, slots=True)
class HeadSgd:
    """See `SPEC`."""

    spec: MethodSpec = SPEC

    def restore(
        self,
        state: Arrays,
        parameters: Parameters,  # noqa: ARG002 -- all that they decided is in the arrays
        context: Context,
    ) -> Fitted:
        return restored(state, context, lambda arrays: _restored(arrays, context.device))

    def fit(
        self,
        parameters: Parameters,
        train: Split,
        validation: Split | None,  # noqa: ARG002 -- the number of epochs is a parameter
        context: Context,
    ) -> Fitted:
        data = learnable(train, context, parameters["scaling"])
        if len(data.seen) == 1:
            return Head(context, data.scale, constant(data.seen), data.seen)
        units = int(parameters["hidden"]) or len(data.seen)
        with few_threads(int(parameters["batch_size"]) * data.features.shape[1] * units):
            network = _train(parameters, data.features, data.targets, len(data.seen), context)
        return Head(
            context,
            data.scale,
            lambda features: _probabilities(network, features, context.device),
            data.seen,
            _arrays(network),
        )


def _train(
    parameters: Parameters,
    features: Features,
    targets: NDArray[np.int64],
    classes: int,
    context: Context,
) -> Any:
    """Train a head on features `(n, d)`; the order of items and the start come from the seed.

    Raises:
        DivergedError: if the loss is NaN or Inf at the end of an epoch.
    """
    import torch

    random = torch.Generator().manual_seed(context.seed)
    x = torch.from_numpy(np.ascontiguousarray(features)).to(context.device)
    y = torch.from_numpy(targets).to(context.device)
    network = _network(features.shape[1], int(parameters["hidden"]), classes, random)
    network.to(context.device)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=float(parameters["learning_rate"]),
        momentum=float(parameters["momentum"]),
        weight_decay=float(parameters["weight_decay"]),
        nesterov=float(parameters["momentum"]) > 0,
    )
    size, epochs = int(parameters["batch_size"]), int(parameters["epochs"])
    steps = epochs * -(-len(x) // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=random).to(context.device)
        for start in range(0, len(x), size):
            batch = order[start : start + size]
            loss = torch.nn.functional.cross_entropy(network(x[batch]), y[batch])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
        if not torch.isfinite(loss):
            raise DivergedError("the loss of head-sgd is NaN or Inf: a lower learning_rate may do")
    return network.eval()


def _network(width: int, hidden: int, classes: int, random: Any) -> Any:
    """Zeros for a linear head; He's normal start for a hidden layer (arXiv:1502.01852)."""
    import torch

    last = torch.nn.Linear(hidden or width, classes)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    if not hidden:
        return last
    first = torch.nn.Linear(width, hidden)
    torch.nn.init.kaiming_normal_(first.weight, nonlinearity="relu", generator=random)
    torch.nn.init.zeros_(first.bias)
    return torch.nn.Sequential(first, torch.nn.ReLU(), last)


def _arrays(network: Any) -> dict[str, NDArray[Any]]:
    """Weights and biases, those of the hidden layer under names of their own."""
    layers = [network] if not hasattr(network, "__len__") else [network[0], network[-1]]
    names = ["", "hidden."][: len(layers)][::-1]
    return {
        f"{name}{kind}": tensor.detach().cpu().numpy()
        for name, layer in zip(names, layers, strict=True)
        for kind, tensor in (("weights", layer.weight), ("biases", layer.bias))
    }


def _restored(arrays: Arrays, device: str) -> Probabilities:
    """The network of `_arrays`."""
    import torch

    first = arrays["hidden.weights"] if "hidden.weights" in arrays else arrays["weights"]
    hidden = len(first) if "hidden.weights" in arrays else 0
    network = _network(first.shape[1], hidden, len(arrays["weights"]), torch.Generator())
    layers = [network[0], network[-1]] if hidden else [network]
    with torch.no_grad():
        for name, layer in zip(["hidden.", ""][-len(layers) :], layers, strict=True):
            layer.weight.copy_(torch.from_numpy(arrays[f"{name}weights"]))
            layer.bias.copy_(torch.from_numpy(arrays[f"{name}biases"]))
    network.to(device).eval()
    return lambda features: _probabilities(network, features, device)


def _probabilities(network: Any, features: Features, device: str) -> NDArray[np.floating]:
    import torch

    with torch.inference_mode():
        scores = network(torch.from_numpy(np.ascontiguousarray(features)).to(device))
        rows: NDArray[np.floating] = scores.double().softmax(dim=1).cpu().numpy()
        return rows


METHODS: tuple[Method, ...] = (HeadSgd(),)
