"""Where a long training stands, so that a killed one goes on: safetensors, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.core.identity import digest
from bench.measure import Clock, wall

EVERY = 60.0
"""Seconds of training that are lost at most; shorter ones leave nothing on the disk."""
STATE = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW keeps of a parameter."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands beside the tensors: epochs done, steps done, the best score and its age."""

    epoch: int = 0
    step: int = 0
    best: float = -float("inf")
    since: int = 0


@dataclass(slots=True)
class Checkpoint:
    """One training's file. `of` is what must be the same for it to be taken up again.

    With `path` None nothing is written and nothing read.
    """

    path: Path | None
    of: Any
    clock: Clock = wall
    _last: float = field(default=-1.0)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def take_up(
        self, weights: Sequence[Any], optimizer: Any, scaler: Any
    ) -> tuple[Standing, list[Any] | None]:
        """Put weights, the optimiser, the gradients' scale and the random state where they stood;
        return where that was, and the best state so far. A file that is damaged, or of another
        training, counts for nothing."""
        import torch
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.exists():
            return Standing(), None
        try:
            with safe_open(self.path, framework="pt") as file:
                noted = json.loads((file.metadata() or {}).get("standing", "{}"))
                if noted.get("of") != digest(self.of):
                    return Standing(), None
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError):
            return Standing(), None
        with torch.no_grad():
            for at, weight in enumerate(weights):
                weight.copy_(found[f"weight.{at}"])
                state = {k: found[f"{k}.{at}"] for k in STATE if f"{k}.{at}" in found}
                if state:
                    optimizer.state[weight] = {
                        k: v if k == "step" else v.to(weight.device) for k, v in state.items()
                    }
        kept = None
        if "kept.0" in found:
            kept = [found[f"kept.{at}"].to(w.device) for at, w in enumerate(weights)]
        torch.set_rng_state(found["random"])
        if "random.cuda" in found:
            torch.cuda.set_rng_state(found["random.cuda"])
        scaler.load_state_dict(noted["scaler"])
        best = -float("inf") if noted["best"] is None else float(noted["best"])
        found_at = Standing(int(noted["epoch"]), int(noted["step"]), best, int(noted["since"]))
        return found_at, kept

    def note(
        self,
        standing: Standing,
        weights: Sequence[Any],
        optimizer: Any,
        scaler: Any,
        kept: list[Any] | None,
    ) -> None:
        """Write where training stands, if the last time is long enough ago."""
        import torch
        from safetensors.torch import save_file

        if self.path is None or self.clock() - self._last < EVERY:
            return
        tensors = {f"weight.{at}": weight.detach() for at, weight in enumerate(weights)}
        for at, weight in enumerate(weights):
            for name in STATE:
                if name in optimizer.state.get(weight, {}):
                    tensors[f"{name}.{at}"] = optimizer.state[weight][name]
            if kept is not None:
                tensors[f"kept.{at}"] = kept[at]
        tensors["random"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        plain = {
            "of": digest(self.of),
            "epoch": standing.epoch,
            "step": standing.step,
            "best": None if standing.best == -float("inf") else standing.best,
            "since": standing.since,
            "scaler": scaler.state_dict(),  # numbers alone, and none where nothing is scaled
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".part")
        owned = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }
        save_file(owned, beside, metadata={"standing": json.dumps(plain)})
        beside.replace(self.path)
        self._last = self.clock()
