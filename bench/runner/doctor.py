"""What this machine can do, said plainly: `bench doctor`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from bench.assets import cache_folder, is_cached, mirrors
from bench.backbones.loops import have_tiles, no_loop
from bench.extract import Budgets
from bench.measure import packages
from bench.measure.environment import cpu_name
from bench.runner.report import known_assets

OPTIONAL = {
    "datasets": "hub data sets cannot be read",
    "efficientnet_lite_pytorch": "efficientnet-lite backbones cannot be loaded",
    "pyarrow": "Parquet files cannot be read",
}


def report() -> str:
    """The whole report; loads torch to ask it."""
    lines = ["versions"]
    lines += [f"  {name} {version}" for name, version in packages().items()]
    lines += ["device", *(f"  {line}" for line in _device())]
    lines += ["caches", *(f"  {line}" for line in _caches())]
    lines += ["batch budgets", *(f"  {line}" for line in _budgets())]
    skipped = [
        f"  {name} is not installed: {effect}"
        for name, effect in OPTIONAL.items()
        if importlib.util.find_spec(name) is None
    ]
    lines += ["would be skipped", *(skipped or ["  nothing"])]
    return "\n".join(lines)


def _device() -> list[str]:
    import torch

    lines = [
        (
            f"cpu: {cpu_name()}, {len(os.sched_getaffinity(0))} cores, "
            f"{torch.get_num_threads()} threads"
        )
    ]
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        lines.append(f"cuda: {torch.cuda.get_device_name()}, {memory / 1e9:.0f} GB; used by auto")
        bf16 = "yes" if torch.cuda.is_bf16_supported() else "no"
        lines.append(f"precision on cuda: fp32 yes, fp16 yes, bf16 {bf16}")
    else:
        lines.append("cuda: none (torch sees no device); auto runs on the cpu")
    fast = "in hardware" if _cpu_has("amx_bf16", "avx512_bf16") else "emulated, slow"
    lines.append(f"precision on cpu: fp32 yes, bf16 {fast}, fp16 slow")
    slow = no_loop()
    how = "compiled loops, bf16 by tiles (AMX)" if have_tiles() else "compiled loops"
    how = f"torch's, slower than compiled loops: {slow}" if slow else how
    lines.append(f"attention and norms on cpu: {how}")
    return lines


def _cpu_has(*flags: str) -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(flag in text for flag in flags)


def _budgets() -> list[str]:
    found = Budgets(cache_folder() / "budgets.json").all()
    if not found:
        return ["none found yet: bench throughput BACKBONE --task TASK finds one, and runs use it"]
    return [f"{name}: {found[name].budget:,}" for name in sorted(found)]


def _caches() -> list[str]:
    folder = cache_folder()
    here = [asset.name for asset in known_assets() if is_cached(asset)]
    away = [asset.name for asset in known_assets() if not is_cached(asset)]
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(nearest).free / 1e9
    offline = ", offline" if os.environ.get("HF_HUB_OFFLINE") else ""
    return [
        f"assets and features: {folder} ({free:.1f} GB free); BENCH_CACHE moves it",
        f"assets here: {', '.join(here) or 'none'}",
        f"to be fetched when needed: {', '.join(away) or 'none'}",
        f"mirrors (BENCH_MIRROR): {', '.join(map(str, mirrors())) or 'none'}",
        f"hub: {os.environ.get('HF_ENDPOINT', 'the public one')}{offline}",
    ]
