"""How a model's own folder says that its states become one vector: sentence-transformers' files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.core.backbone import BackboneSpec, Pooling
from bench.core.errors import UserError
from bench.core.suite import BackboneEntry

UNSET = "as_trained"
"""The setting that names what a suite leaves to the folder; part of the identity of features."""
POOLINGS: Mapping[str, Pooling] = {
    "cls": Pooling.CLS,
    "cls_token": Pooling.CLS,
    "lasttoken": Pooling.LAST,
    "max": Pooling.MAX,
    "max_tokens": Pooling.MAX,
    "mean": Pooling.MEAN,
    "mean_tokens": Pooling.MEAN,
}
"""By what `pooling_mode` is in its configuration, or what `pooling_mode_` begins a true key of."""
FLAG = "pooling_mode_"


def left_open(spec: BackboneSpec, entry: BackboneEntry) -> BackboneSpec:
    """The description with a note of what of pooling and length a suite's entry leaves open."""
    open_keys = [key for key in ("pooling", "normalize") if getattr(entry, key) is None]
    if not open_keys:
        return spec
    return dataclasses.replace(
        spec, settings={**(spec.settings or {}), UNSET: " and ".join(open_keys)}
    )


def as_trained(spec: BackboneSpec, folder: Path) -> BackboneSpec:
    """The description with what its folder says of what was left open.

    `modules.json` lists steps: of `Pooling`, with a configuration of its own, and `Normalize`
    heed is taken. Without that file nothing changes.

    Raises:
        UserError: if it pools in a way that there is none of here, or its files are damaged.
    """
    unset = str((spec.settings or {}).get(UNSET, "")).split(" and ")
    listed = folder / "modules.json"
    if unset == [""] or not listed.is_file():
        return spec
    try:
        steps = {str(step["type"]).rpartition(".")[2]: step["path"] for step in _read(listed)}
        found: dict[str, Any] = {"normalize": "Normalize" in steps}
        if "Pooling" in steps:
            config = _read(folder / steps["Pooling"] / "config.json")
            found["pooling"] = _pooling(spec, config) if "pooling" in unset else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"backbone {spec.name!r}: what its folder says of pooling (modules.json) cannot be "
            f"read ({error}); say `pooling` and `normalize` in the suite"
        ) from error
    return dataclasses.replace(spec, **{key: found[key] for key in unset if key in found})


def _pooling(spec: BackboneSpec, config: Mapping[str, Any]) -> Pooling:
    given = config.get("pooling_mode")
    if given is None:
        flags = (key for key, on in config.items() if key.startswith(FLAG) and on)
        modes = [key.removeprefix(FLAG) for key in flags]
    else:
        modes = [given] if isinstance(given, str) else list(given)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise UserError(
            f"backbone {spec.name!r}: its folder says that it pools by {', '.join(modes) or '?'}, "
            "which is not done here; say `pooling` in the suite"
        )
    return POOLINGS[modes[0]]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
