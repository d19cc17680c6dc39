"""What every part's file says of the machine and its settings, and how it is written."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it brings numpy, which is to see the threads that are pinned below
    from bench.core.suite import Precision

FOLDER = Path(__file__).parents[3] / "results" / "peers"
SCHEMA = 1
PACKAGES = (
    "accelerate",
    "datasets",
    "mteb",
    "numpy",
    "onnx",
    "onnxruntime",
    "peft",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "setfit",
    "tokenizers",
    "torch",
    "transformers",
)


def pin_threads(threads: int) -> None:
    """The same number for torch, BLAS, OpenMP and tokenizers; before any of them is imported."""
    if "torch" in sys.modules or "numpy" in sys.modules:
        raise RuntimeError("threads are pinned before torch and numpy are imported")
    for name in ("OMP", "MKL", "OPENBLAS", "RAYON"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no helpers that stay behind
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def load() -> float:
    """Runnable processes over the last minute."""
    return round(os.getloadavg()[0], 2)


def facts(
    part: str, load_before: float, *, settings: dict[str, Any], device: str = "cpu"
) -> dict[str, Any]:
    """The head of a part's file. No host, user or path."""
    from bench.measure import packages, provenance

    where = provenance(device, "fp32", deterministic=False)
    return {
        "schema": SCHEMA,
        "part": part,
        "device": where.device_name,
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads(),
        "date": where.date,
        "commit": where.commit,
        "dirty": where.dirty,
        "python": where.python,
        "packages": packages(PACKAGES),
        "load": {"before": load_before, "after": load()},
        "settings": settings,
    }


def precisions(device: str) -> tuple[Precision, ...]:
    """What contenders compute in: bfloat16 where the device does, and does not emulate it."""
    import torch

    from bench.core.suite import Precision

    native = device == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return (Precision.FP32, Precision.BF16) if native else (Precision.FP32,)


def threads() -> dict[str, Any]:
    """Threads of torch and tokenizers and of every pool that is loaded."""
    import torch
    from threadpoolctl import threadpool_info

    pools = {
        f"{pool['internal_api']} {pool.get('version') or ''}".strip(): pool["num_threads"]
        for pool in threadpool_info()
    }
    return {
        "torch": torch.get_num_threads(),
        "tokenizers": int(os.environ.get("RAYON_NUM_THREADS", "0")),
        "pools": pools,
    }


def write(part: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Keep a part's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part['part']}.json"
    text = json.dumps(rounded(part), indent=1, sort_keys=True)
    path.write_text(compact(text) + "\n", encoding="utf-8")
    return path


def rounded(value: Any) -> Any:
    """Floats to nine significant digits: a clock has no more."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def compact(text: str) -> str:
    """Indented JSON with each innermost list on one line."""
    return re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)


def say(text: str) -> None:
    """A word about the progress, on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
