"""How many tokens, images or seconds a batch takes: found by a short sweep, and remembered."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.core.backbone import Backbone
from bench.core.task import Modality

DEFAULTS: Mapping[tuple[Modality, str], int] = {
    (Modality.TEXT, "cuda"): 32768,
    (Modality.IMAGE, "cpu"): 16,
    (Modality.IMAGE, "cuda"): 256,
    (Modality.AUDIO, "cpu"): 32,  # seconds
    (Modality.AUDIO, "cuda"): 960,
    (Modality.TABLE, "cpu"): 4096,  # rows
    (Modality.TABLE, "cuda"): 65536,
}
"""Where nothing has been found yet; `default_budget` has tokens on a CPU."""
STATES = 6 * 2**20
"""Bytes of the states of a batch of tokens on a CPU; those inside a feed-forward layer are four
times as large, and what has 32 MiB or more glibc takes from the system each time, page by page. On
two Zen 5 cores half of it took 1 to 5 % longer with minilm-l6 and mpnet-base, in float32 and
bfloat16; twice took up to 25 and 11 % longer in float32 (film reviews and news), and between as
long and 8 % longer with minilm-l6 where the system was not asked."""
MOST_TOKENS = 8192

STEPS = (0.5, 1.0, 2.0, 4.0)
"""Times the default: what is tried."""
ROUNDS = 3
CLOSE = 0.02
"""A smaller budget that is this close to the fastest is taken: it needs less memory."""
LEAST_WORK = 50
"""Batches of the default budget that a job needs for a sweep to be worth its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was tried: median seconds of the same work at each budget, and what was taken."""

    budget: int
    tried: tuple[int, ...]
    seconds: tuple[float, ...]


def default_budget(backbone: Backbone, device: str) -> int:
    """Units of a batch where nothing has been found yet."""
    modality = backbone.spec.modality
    if modality is not Modality.TEXT or device != "cpu":
        return DEFAULTS[modality, device]
    weight = next(iter(backbone.module().parameters()))
    token: int = backbone.spec.width * weight.element_size()
    return min(max(STATES // token, 1), MOST_TOKENS)


def sweep(run: Callable[[int], float], default: int) -> Sweep:
    """Try budgets around `default`; `run(budget)` does the same work and says its seconds.

    In rounds, there and back, after one round that is thrown away, so that a machine that
    warms up or is disturbed favours none.
    """
    tried = tuple(sorted({max(1, round(default * step)) for step in STEPS}))
    taken: dict[int, list[float]] = {budget: [] for budget in tried}
    for number in range(ROUNDS + 1):
        for budget in tried if number % 2 else tried[::-1]:
            seconds = run(budget)
            if number:
                taken[budget].append(seconds)
    medians = tuple(float(np.median(taken[budget])) for budget in tried)
    return Sweep(budget=chosen(tried, medians), tried=tried, seconds=medians)


def chosen(tried: Sequence[int], seconds: Sequence[float]) -> int:
    """The smallest budget within `CLOSE` of the fastest."""
    limit = min(seconds) * (1 + CLOSE)
    return min(budget for budget, spent in zip(tried, seconds, strict=True) if spent <= limit)


class Budgets:
    """Sweeps that were made on this machine, in one file; a damaged one is forgotten."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> dict[str, Sweep]:
        """By what each is of: `BACKBONE on DEVICE in PRECISION, key`."""
        try:
            plain = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                name: Sweep(
                    budget=int(of["budget"]),
                    tried=tuple(of["tried"]),
                    seconds=tuple(of["seconds"]),
                )
                for name, of in plain.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def find(self, name: str) -> int | None:
        """The budget that was found for `name`."""
        found = self.all().get(name)
        return found.budget if found else None

    def keep(self, name: str, found: Sweep) -> None:
        """Remember a sweep, in place of an earlier one of that name."""
        plain = {key: asdict(value) for key, value in {**self.all(), name: found}.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=self._path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(plain, file, indent=1, sort_keys=True)
        os.replace(temporary, self._path)  # noqa: PTH105
