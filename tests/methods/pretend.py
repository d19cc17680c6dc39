"""A device that is none: its tensors are on the host, and it counts what a card would do.

It refuses what a card refuses, tensors of the host among its own, and counts kernels and the times
that the host waits for a number.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

DEVICE = "meta"
"""A name that torch knows, of a device on which it computes nothing."""
FREE = {"view", "_unsafe_view", "transpose", "t", "permute", "expand", "slice", "select", "unbind",
        "unsqueeze", "squeeze", "alias", "as_strided", "detach", "diagonal", "split", "empty",
        "new_empty", "empty_strided", "_reshape_alias", "empty_like", "unsafe_split"}  # fmt: skip
"""Operators that start no kernel."""


class Far(torch.Tensor):
    """A tensor of that device."""

    @staticmethod
    def __new__(cls, near):
        return torch.Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), dtype=near.dtype, device=DEVICE
        )

    def __init__(self, near):
        self.near = near

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} outside of the device's mode")


class Pretend(TorchDispatchMode):
    """While it lasts there is such a device."""

    def __init__(self):
        super().__init__()
        self.kernels, self.waits = Counter(), Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = function.overloadpacket.__name__
        seen = []
        tree_map(lambda x: seen.append(x) if isinstance(x, torch.Tensor) else None, (args, kwargs))
        far = [x for x in seen if isinstance(x, Far)]
        to = kwargs.get("device")
        moves = name in {"_to_copy", "copy_"}
        if far and not moves:
            near = [x for x in seen if not isinstance(x, Far) and x.dim()]
            assert not near, f"{name} has tensors of the host among those of the device"
        result_far = bool(far) if to is None else torch.device(to).type == DEVICE
        if to is not None:
            kwargs["device"] = "cpu"
        args, kwargs = tree_map(lambda x: x.near if isinstance(x, Far) else x, (args, kwargs))
        found = function(*args, **kwargs)
        if far and (not result_far or name in {"_local_scalar_dense", "nonzero", "equal"}):
            self.waits[name] += 1
        elif (far or result_far) and name not in FREE:
            self.kernels[name] += 1
        if not result_far:
            return found
        known = {id(x.near): x for x in far}

        def taken_far(x):
            return known[id(x)] if id(x) in known else Far(x)

        return tree_map(lambda x: taken_far(x) if isinstance(x, torch.Tensor) else x, found)
