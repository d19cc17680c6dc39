"""The hot path: raw inputs in, pooled features out, in input order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.core.backbone import Backbone
from bench.core.errors import DivergedError
from bench.core.task import Input, Modality
from bench.extract.plan import plan_batches
from bench.measure import Clock, wall

BUDGET: dict[tuple[Modality, str], int] = {
    # tokens or images a batch; on two CPU cores about 2k tokens are best, a GPU takes 16k to 64k
    (Modality.TEXT, "cpu"): 2048,
    (Modality.TEXT, "cuda"): 32768,
    (Modality.IMAGE, "cpu"): 16,
    (Modality.IMAGE, "cuda"): 256,
    (Modality.AUDIO, "cpu"): 8,
    (Modality.AUDIO, "cuda"): 64,
}


@dataclass(frozen=True, slots=True)
class Extracted:
    """Features of distinct inputs and what they cost, end to end (wall seconds)."""

    features: NDArray[np.float32]  # (n, width)
    lengths: NDArray[np.int64]  # (n,) real units
    seconds: float
    truncated: NDArray[np.bool_]  # (n,)
    padding_share: float
    batches: int


def extract(
    backbone: Backbone,
    inputs: Sequence[Input],
    device: str,
    report: Callable[[int], None] | None = None,
    clock: Clock = wall,
) -> Extracted:
    """Extract features of `n` inputs, which should be distinct (see `FeatureCache`).

    Args:
        backbone: loaded on `device`.
        inputs: raw inputs of the backbone's modality.
        device: "cpu" or "cuda".
        report: called with the number of items done, batch by batch.
        clock: injected in tests.

    Raises:
        DivergedError: if a feature is NaN or Inf.
    """
    import torch

    start = clock()
    prepared = backbone.prepare(inputs)
    lengths = prepared.lengths
    plan = plan_batches(lengths, BUDGET[backbone.spec.modality, device])
    chunks = []
    done = 0
    with torch.inference_mode():
        for indices in plan.batches:
            chunks.append(backbone.forward(backbone.collate(prepared, indices)))
            done += len(indices)
            if report:
                report(done)
        order = np.concatenate(plan.batches) if plan.batches else np.zeros(0, dtype=np.int64)
        stacked = torch.cat(chunks).float().cpu().numpy()  # one copy back, which also waits
    features = np.empty_like(stacked)
    features[order] = stacked
    seconds = clock() - start
    if not np.isfinite(features).all():
        raise DivergedError(f"{backbone.spec.name} gave features with NaN or Inf")
    return Extracted(
        features=features,
        lengths=lengths,
        seconds=seconds,
        truncated=prepared.truncated,
        padding_share=plan.padding_share,
        batches=len(plan.batches),
    )
